import { mkdtempDisposable, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { playCase } from './exchanges/player.ts'
import { type RecordedCase, readCases } from './exchanges/recording.ts'
import { type HandledRequest, type QdrantDouble, type QdrantDoubleOptions, startQdrantDouble } from './qdrant-double.ts'

const recordings = new URL('../fixtures/qdrant/exchanges.jsonl.br', import.meta.url).pathname

it.each(readCases(recordings))('answers as recorded: $name', async (recorded) => {
  const { difference } = await playCase(recorded)

  expect(difference).toBeUndefined()
})

const titleCase: RecordedCase = {
  name: 'title',
  server: 'main',
  steps: [
    {
      method: 'GET',
      path: '/',
      status: 200,
      response: { title: 'qdrant - vector search engine', version: '1.18.2', commit: 'x' },
      volatile: ['response.commit'],
    },
  ],
}

it('names the first difference between an answer and its recording', async () => {
  const { difference } = await playCase(titleCase)

  expect(difference).toContain('"version":"1.18.2"')
  expect(difference).toContain('"version":"1.18.3"')
})

it('reads cases from a folder of JSON files as from one file of lines', async () => {
  await using folder = await mkdtempDisposable(join(tmpdir(), 'millrace-exchanges-'))
  await writeFile(join(folder.path, 'title.json'), JSON.stringify(titleCase))
  await writeFile(join(folder.path, 'lines.jsonl'), `${JSON.stringify(titleCase)}\n`)

  const fromFolder = readCases(folder.path)
  const fromLines = readCases(join(folder.path, 'lines.jsonl'))

  expect(fromFolder).toEqual([titleCase])
  expect(fromLines).toEqual([titleCase])
})

async function startWithCollection(options: QdrantDoubleOptions = {}): Promise<QdrantDouble> {
  const double = await startQdrantDouble(options)
  await send(double, 'PUT', '/collections/c', { vectors: { size: 2, distance: 'Dot' } })
  return double
}

async function send(double: QdrantDouble, method: string, path: string, body: unknown) {
  const response = await fetch(`${double.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: response.status, headers: response.headers, body: await response.json() }
}

const upsert = (id: number) => ({ upsert: { points: [{ id, vector: [1, 0] }] } })

const sendBatch = (double: QdrantDouble, ...ids: number[]) =>
  send(double, 'POST', '/collections/c/points/batch?wait=true', { operations: ids.map(upsert) })

const sizeOf = (double: QdrantDouble) => double.database.require('c').size

it('answers a status that a test asked for, as often as it asked, and then as usual', async () => {
  await using double = await startWithCollection()
  double.faults.add({ kind: 'status', status: 429, headers: { 'retry-after': '7' } }, { times: 2 })

  const answers = [await sendBatch(double, 1), await sendBatch(double, 1), await sendBatch(double, 1)]

  expect(answers.map(({ status }) => status)).toEqual([429, 429, 200])
  expect(answers[0]?.headers.get('retry-after')).toBe('7')
  expect(double.faults.left).toBe(0)
})

it.each([
  ['before', 0],
  ['after', 1],
] as const)('breaks the connection %s the change was made', async (when, size) => {
  await using double = await startWithCollection()
  double.faults.add({ kind: 'reset', when })

  await expect(sendBatch(double, 1)).rejects.toThrow('fetch failed')

  expect(sizeOf(double)).toBe(size)
})

it('stops in the middle of a batch', async () => {
  await using double = await startWithCollection()
  double.faults.add({ kind: 'partial', operations: 2 })

  const { status } = await sendBatch(double, 1, 2, 3)

  expect(status).toBe(500)
  expect(sizeOf(double)).toBe(2)
})

it.each(['wait-timeout', 'acknowledged'] as const)('answers %s and applies the batch later', async (kind) => {
  await using double = await startWithCollection()
  double.faults.add({ kind })

  const { body } = await sendBatch(double, 1)
  const before = sizeOf(double)
  double.faults.release()

  expect(body).toMatchObject({ result: [{ status: kind === 'acknowledged' ? 'acknowledged' : 'wait_timeout' }] })
  expect([before, sizeOf(double)]).toEqual([0, 1])
})

it('holds an answer back', async () => {
  await using double = await startWithCollection()
  double.faults.add({ kind: 'hold' })
  let isAnswered = false

  const answer = sendBatch(double, 1).finally(() => {
    isAnswered = true
  })
  await expect.poll(() => sizeOf(double)).toBe(1)
  const early = isAnswered
  double.faults.release()

  expect((await answer).status).toBe(200)
  expect(early).toBe(false)
})

it.each(['before', 'after'] as const)('answers late, and does what it was asked %s the pause', async (when) => {
  await using double = await startWithCollection()
  double.faults.add({ kind: 'delay', when, ms: 100 })

  const answer = sendBatch(double, 1)
  await expect.poll(() => double.faults.left).toBe(0)
  const early = sizeOf(double)

  expect((await answer).status).toBe(200)
  expect([early, sizeOf(double)]).toEqual([when === 'before' ? 0 : 1, 1])
})

it('tells of every request that had an effect', async () => {
  const told: HandledRequest[] = []
  await using double = await startWithCollection({ onHandled: (request) => told.push(request) })
  double.faults.add({ kind: 'status', status: 503 })
  double.faults.add({ kind: 'partial', operations: 1 })

  await sendBatch(double, 1)
  await sendBatch(double, 1)

  expect(told.map(({ method, fault, failed }) => [method, fault?.kind, failed])).toEqual([
    ['PUT', undefined, false],
    ['POST', 'partial', true],
  ])
})

it('keeps a log of requests', async () => {
  await using double = await startWithCollection()

  await sendBatch(double, 1)

  expect(double.count(/points\/batch/)).toBe(1)
  expect(double.requests.map(({ method, status }) => [method, status])).toEqual([
    ['PUT', 200],
    ['POST', 200],
  ])
})
