import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import type { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { type QueryServer, type QueryServerOptions, serveQueries } from '../../../src/serve/queries/serve-queries.ts'
import { countedTopics, countingInstance, writeAll } from '../../support/counting-instance.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const patience = { timeout: 10_000, interval: 10 }
const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, patience)

async function openLog(partitions: number): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  onTestFinished(() => broker.close())
  await broker.createTopics(countedTopics.map((topic) => ({ topic, partitions })))
  return broker
}

interface Instance {
  readonly runtime: StreamRuntime
  readonly server: QueryServer
}

async function startInstance(
  broker: Broker,
  options: Partial<QueryServerOptions & Parameters<typeof countingInstance>[0]> = {},
): Promise<Instance> {
  const { token = null, address, host, ...settings } = options
  const runtime = countingInstance({ stateInMemory: !settings.stateDirectory, ...settings, broker })
  const server = await serveQueries({ runtime, port: 0, token, address, host })
  onTestFinished(() => runtime.close())
  await runtime.start()
  return { runtime, server }
}

interface Body {
  readonly entries: { readonly key: string }[]
  readonly next?: string
  readonly stale?: object[]
  readonly address?: string
  readonly stores?: object[]
  readonly error: { readonly code: string; readonly fact: string; readonly fix: string }
}

async function ask({ server }: Instance, path: string, headers: Record<string, string> = {}) {
  const answer = await fetch(`${server.url}${path}`, { headers })
  return { status: answer.status, headers: answer.headers, body: (await answer.json()) as Body }
}

/** All pages, one after the other. */
async function everything(instance: Instance, query: string, headers: Record<string, string> = {}) {
  const keys: string[] = []
  const sizes: number[] = []
  let next = ''
  do {
    const { status, body } = await ask(instance, `/entries?${query}${next && `&next=${next}`}`, headers)
    expect(status).toBe(200)
    keys.push(...body.entries.map(({ key }) => key))
    sizes.push(body.entries.length)
    next = body.next ?? ''
  } while (next !== '')
  return { keys, sizes }
}

describe('the stores of one instance over HTTP', () => {
  test('are read by key, by range, by prefix and by window, page by page', async () => {
    const broker = await openLog(1)
    const instance = await startInstance(broker)
    const keys = Array.from({ length: 25 }, (_, index) => `key ${String(index).padStart(2, '0')}`)
    await writeAll(broker, [...keys.map((key) => ({ key })), { key: 'other', timestamp: 1_500 }])
    await instance.runtime.drain()

    const point = await ask(instance, '/entries?store=counts&key=other')
    const nothing = await ask(instance, '/entries?store=counts&key=nobody')
    const range = await everything(instance, 'store=counts&from=key%2003&to=key%2005')
    const prefix = await everything(instance, 'store=counts&prefix=key&limit=10')
    const window = await ask(instance, '/entries?store=per-second&key=other&fromMs=1000&toMs=1000')
    const noWindow = await ask(instance, '/entries?store=per-second&key=other&toMs=999')

    expect([point.status, point.body]).toEqual([
      200,
      { store: 'counts', kind: 'timestamped-key-value', entries: [{ key: 'other', value: 1, timestamp: 1_500 }] },
    ])
    expect(nothing.body.entries).toEqual([])
    expect(range.keys).toEqual(['key 03', 'key 04', 'key 05'])
    expect(prefix).toEqual({ keys, sizes: [10, 10, 5] })
    expect(window.body.entries).toEqual([{ key: 'other', startMs: 1_000, value: 1, timestamp: 1_500 }])
    expect(noWindow.body.entries).toEqual([])
  })

  test('come in pages of a few mebibytes, however large the limit is', async () => {
    const broker = await openLog(1)
    const instance = await startInstance(broker)
    const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`)
    await writeAll(
      broker,
      keys.map((key) => ({ key, value: 'x'.repeat(500_000) })),
    )
    await instance.runtime.drain()

    const { keys: found, sizes } = await everything(instance, 'store=last&limit=1000')

    expect(found.toSorted()).toEqual(keys.toSorted())
    expect(sizes).toEqual([9, 9, 2])
  })

  test('are looked through for a key in every partition, where its record may be in any', async () => {
    const broker = await openLog(4)
    const instance = await startInstance(broker)
    const misplaced = (partitionFor(Buffer.from('a'), 4) + 1) % 4
    await writeAll(broker, [{ key: 'a', partition: misplaced }])
    await instance.runtime.drain()

    const own = await ask(instance, '/entries?store=counts&key=a')
    const all = await ask(instance, '/entries?store=counts&key=a&partition=all')
    const named = await ask(instance, `/entries?store=counts&key=a&partition=${misplaced}`)

    expect([own, all, named].map(({ body }) => body.entries.length)).toEqual([0, 1, 1])
  })

  test('are listed with their kinds, and with how far behind each copy is', async () => {
    const broker = await openLog(1)
    const instance = await startInstance(broker)
    await instance.runtime.drain()

    const { body } = await ask(instance, '/stores')

    expect(body.address).toBe(instance.server.url)
    expect(body.stores).toContainEqual({
      name: 'counts',
      kind: 'timestamped-key-value',
      key: 'string',
      partitions: 1,
      here: [{ partition: 0, role: 'active', behindRecords: 0, behindMs: 0 }],
      elsewhere: [],
    })
    expect(body.stores).toContainEqual(expect.objectContaining({ name: 'countries', partitions: 1 }))
  })

  test.each([
    ['store=count', 404, 'STORE_UNKNOWN', 'Did you mean "counts"?'],
    ['', 400, 'QUERY_INVALID', 'Give `store`.'],
    ['store=counts&kye=a', 400, 'QUERY_INVALID', 'Did you mean `key`?'],
    ['store=counts&limit=1001', 400, 'QUERY_INVALID', 'Give a whole number from 1 to 1000.'],
    ['store=counts&key=a&key=b', 400, 'QUERY_INVALID', 'Correct the query.'],
    ['store=counts&key=a&from=b', 400, 'QUERY_INVALID', 'Give `key`, or `from`, `to` and `prefix`.'],
    ['store=counts&partition=7', 400, 'QUERY_INVALID', 'Name one from 0 to 0.'],
    ['store=counts&next=there', 400, 'QUERY_INVALID', 'Give it as it came, or leave it out.'],
    ['store=counts&atMs=soon', 400, 'QUERY_INVALID', 'Give a whole number.'],
  ])('are not read by a query that makes no sense, which is told why (%s)', async (query, status, code, fix) => {
    const broker = await openLog(1)
    const instance = await startInstance(broker)

    const answer = await ask(instance, `/entries?${query}`)

    expect([answer.status, answer.body.error.code, answer.body.error.fix]).toEqual([status, code, fix])
  })

  test('are told to come again before the runtime is open', async () => {
    const broker = await openLog(1)
    const runtime = countingInstance({ broker, stateInMemory: true })
    await using server = await serveQueries({ runtime, port: 0, token: null })

    const { status, headers, body } = await ask({ runtime, server }, '/entries?store=counts&key=a')

    expect([status, headers.get('retry-after'), body.error.code]).toEqual([503, '1', 'STORE_UNAVAILABLE'])
  })

  test('are shown to nobody without the token', async () => {
    const broker = await openLog(1)
    const instance = await startInstance(broker, { token: 'a secret of ours'.replaceAll(' ', '-') })
    await instance.runtime.drain()

    for (const path of ['/stores', '/entries?store=counts&key=a']) {
      const none = await ask(instance, path)
      const wrong = await ask(instance, path, { authorization: 'Bearer a-secret-of-theirs' })
      const right = await ask(instance, path, { authorization: 'Bearer a-secret-of-ours' })
      expect([none.status, wrong.status, right.status]).toEqual([401, 401, 200])
      expect(none.body.error.code).toBe('QUERY_DENIED')
    }
  })

  test.each(['short', 'has a space', ''])('want a token that is one ("%s" is none)', async (token) => {
    const broker = await openLog(1)
    const runtime = countingInstance({ broker, stateInMemory: true })

    await expect(serveQueries({ runtime, port: 0, token })).rejects.toThrow('CONFIG_INVALID: the token for queries')
  })

  test('have no address of their own where the host stands for all', async () => {
    const broker = await openLog(1)
    const runtime = countingInstance({ broker, stateInMemory: true })
    await using _ = await serveQueries({ runtime, port: 0, host: '0.0.0.0', token: null })

    expect(runtime.queries.address).toBeUndefined()
    await expect(serveQueries({ runtime, port: 0, token: null, address: 'here' })).rejects.toThrow(
      '"here" is no address',
    )
  })
})

describe('the stores of two instances over HTTP', () => {
  const token = 'known-to-both'
  const authorization = `Bearer ${token}`

  async function startTwo() {
    const folder = await temporaryDirectory()
    onTestFinished(() => folder[Symbol.asyncDispose]())
    const broker = await openLog(4)
    const start = (name: string) =>
      startInstance(broker, { token, numStandbyReplicas: 1, stateDirectory: join(folder.path, name) })
    const [one, two] = [await start('one'), await start('two')]
    await eventually(() => expect([one.runtime.tasks.length, two.runtime.tasks.length]).toEqual([4, 4]))
    const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`)
    const places = (key: string) => partitionFor(Buffer.from(key), 4)
    await writeAll(
      broker,
      keys.flatMap((key) => ['in', 'rows'].map((topic) => ({ topic, key, partition: places(key) }))),
    )
    await one.runtime.drain()
    await two.runtime.drain()
    return { one, two, keys }
  }

  test('are read from either: what the other one has is asked of it', async () => {
    const { one, two, keys } = await startTwo()

    const asked = [one, two].flatMap((instance) => ['counts', 'versions'].map((store) => ({ instance, store })))
    for (const { instance, store } of asked) {
      const found: string[] = []
      for (const key of keys) {
        const { body } = await ask(instance, `/entries?store=${store}&key=${key}`, { authorization })
        found.push(...body.entries.map((entry) => entry.key))
      }
      const all = await everything(instance, `store=${store}&limit=7`, { authorization })

      expect(found).toEqual(keys)
      expect(all.keys.toSorted()).toEqual(keys.toSorted())
      expect(Math.max(...all.sizes)).toBe(7)
    }
  })

  test('are read from a standby when the owner is gone, within a bound that is told', async () => {
    const { one, two } = await startTwo()
    const theirs = two.runtime.queries.copies.find(({ role }) => role === 'active')
    const path = `/entries?store=${theirs?.store}&partition=${theirs?.partition}`
    const own = (await ask(two, path, { authorization })).body.entries.length
    await two.server.close()

    const strict = await ask(one, path, { authorization })
    // A standby that has not heard of the newest records yet does not miss them.
    const stale = await vi.waitFor(async () => {
      const answer = await ask(one, `${path}&maxBehindMs=60000`, { authorization })
      expect([answer.status, answer.body.entries?.length]).toEqual([200, own])
      return answer
    }, patience)

    expect(strict.status).toBe(503)
    expect(strict.body.error.fact).toContain('does not answer')
    expect(stale.body.stale).toEqual([{ partition: theirs?.partition, behindRecords: 0, behindMs: expect.any(Number) }])
  })

  test('are not sent on twice: who is asked by another instance answers itself or says why not', async () => {
    const { one, two } = await startTwo()
    const theirs = two.runtime.queries.copies.find(({ role }) => role === 'active')
    const path = `/entries?store=${theirs?.store}&partition=${theirs?.partition}`

    const answer = await ask(one, path, { authorization, 'millrace-forwarded': '1' })

    expect([answer.status, answer.body.error.code]).toEqual([503, 'STORE_UNAVAILABLE'])
  })
})
