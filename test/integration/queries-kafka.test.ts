import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { partitionFor } from '../../src/partitioner.ts'
import { serveQueries } from '../../src/serve/queries/serve-queries.ts'
import { keepingOldRecords, useLog } from '../contracts/broker/harness.ts'
import { countedTopics, countingInstance, writeAll } from '../support/counting-instance.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 4
const keys = Array.from({ length: 60 }, (_, index) => `key ${index}`)

interface Body {
  readonly entries: readonly { readonly key: string; readonly value: number }[]
  readonly next?: string
}

async function ask(url: string, query: string): Promise<Body> {
  const answer = await fetch(`${url}/entries?store=counts&${query}`)
  const text = await answer.text()
  expect([answer.status, text]).toEqual([200, text])
  return JSON.parse(text) as Body
}

/** All counts, page by page. */
async function countsFrom(url: string, bounds: string): Promise<Map<string, number>> {
  const counts = new Map<string, number>()
  let next = ''
  do {
    const body = await ask(url, `limit=9${bounds}${next && `&next=${next}`}`)
    for (const { key, value } of body.entries) counts.set(key, value)
    next = body.next ?? ''
  } while (next !== '')
  return counts
}

describe.skipIf(kafkaBrokers.length === 0)('the stores of two instances on a real Kafka', () => {
  const log = useLog(kafkaTarget, { waitMs: 60_000 })

  test('are read from either, and from the standbys of the one that is left when the other has crashed', async () => {
    const application = log.name('app')
    const prefix = `${application}-`
    await using folder = await temporaryDirectory()
    const settings = keepingOldRecords
    await log.broker.createTopics(countedTopics.map((topic) => ({ topic: `${prefix}${topic}`, partitions, settings })))
    const written = [...keys, ...keys].map((key) => {
      return { topic: `${prefix}in`, key, partition: partitionFor(Buffer.from(key), partitions) }
    })
    await writeAll(log.broker, written)
    const start = async (name: string) => {
      const stateDirectory = join(folder.path, name)
      const instance = { application, stateDirectory, numStandbyReplicas: 1, sessionTimeoutMs: 6_000 }
      const runtime = countingInstance({ ...instance, prefix, broker: await log.another() })
      const server = await serveQueries({ runtime, port: 0, token: null })
      onTestFinished(() => runtime.close())
      await runtime.start()
      return { runtime, server }
    }
    const [one, two] = [await start('one'), await start('two')]
    const expected = Object.fromEntries(keys.map((key) => [key, 2]))
    const hasAll = async (url: string, bounds = '') =>
      expect(Object.fromEntries(await countsFrom(url, bounds))).toEqual(expected)

    await log.eventually(() => expect(two.runtime.tasks.length).toBe(partitions))
    await log.eventually(() => hasAll(one.server.url))
    await log.eventually(() => hasAll(two.server.url))
    await two.server.close()
    // The group does not know yet that nobody answers there.
    await log.eventually(() => hasAll(one.server.url, '&maxBehindMs=60000'))
    await two.runtime.kill()
    await log.eventually(() => hasAll(one.server.url))
  })
})
