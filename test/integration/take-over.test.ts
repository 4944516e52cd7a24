import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { RuntimeSettings } from '../../src/config.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { type Log, useLog } from '../contracts/broker/harness.ts'
import { followTask } from '../support/followed-task.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'
import { logRecord } from '../support/log-records.ts'
import { RememberingInstance, writeKeys } from '../support/remembering-instance.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const keysEach = 2_000
const trickleMs = 20

/** One record for each partition now and then, until it is stopped. */
function trickle(broker: Broker, topic: string, partitions: number): () => Promise<void> {
  let isStopped = false
  const writing = (async () => {
    const producer = await broker.producer()
    for (let round = 0; !isStopped; round++) {
      const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
      await producer.send(places.map((place) => logRecord(place, `trickle ${round} ${place.partition}`, 'value', 1)))
      await new Promise((resolve) => setTimeout(resolve, trickleMs))
    }
    await producer.close()
  })()
  return async () => {
    isStopped = true
    await writing
  }
}

describe.skipIf(kafkaBrokers.length === 0)('a take-over on a real Kafka', () => {
  const log = useLog(kafkaTarget, { waitMs: 60_000 })

  test.each(['at_least_once', 'exactly_once'] as const)(
    'with a standby restores at most a hundredth of the records of one without (%s)',
    async (processingGuarantee) => {
      const cold = await recordsToTakeOver(log, { processingGuarantee, numStandbyReplicas: 0 })
      const warm = await recordsToTakeOver(log, { processingGuarantee, numStandbyReplicas: 1 })

      const figures = `${cold} records without a standby, ${warm} with one`
      process.stdout.write(`a take-over with ${processingGuarantee} restored ${figures}\n`)
      expect(cold).toBeGreaterThan(2 * keysEach)
      expect(warm / cold).toBeLessThanOrEqual(0.01)
    },
    180_000,
  )

  test('finds nothing of a transaction that the owner has left open or aborted in a standby', async () => {
    const application = log.name('app')
    const broker = await log.another()
    const task = await followTask({ broker, application })
    const words = ['committed', 'aborted', 'next']
    const look = async () => {
      await log.eventually(async () => {
        await task.follow()
        expect(await task.lag()).toBe(0)
      })
      return words.filter(task.has)
    }
    const owner = await log.producer(`${application}-0_0`)
    const first = await owner.begin()
    await first.send([logRecord(task.changelog, 'committed', 'value')])
    await first.commit()

    const aborted = await owner.begin()
    await aborted.send([logRecord(task.changelog, 'aborted', 'value')])
    const whileOpen = await look()
    // The next owner ends it.
    const successor = await log.producer(`${application}-0_0`)
    const afterAbort = await look()
    const next = await successor.begin()
    await next.send([logRecord(task.changelog, 'next', 'value')])
    await next.commit()
    const afterCommit = await look()

    expect([whileOpen, afterAbort, afterCommit]).toEqual([['committed'], ['committed'], ['committed', 'next']])
    expect(task.failures).toEqual([])
  }, 60_000)

  test('of half of 20 tasks by a new instance leaves the other half where it is', async () => {
    const partitions = 20
    await using folder = await temporaryDirectory()
    const topic = await log.topic(partitions)
    const start = (name: string, broker: Broker) =>
      new RememberingInstance({ ...settingsOf(topic, broker, join(folder.path, name)), numStandbyReplicas: 0 })
    await writeKeys(log.broker, 'first', { topic, partitions, each: 100 })
    const first = start('first', await log.another())
    await first.runtime.start()
    await first.runtime.drain()
    const stop = trickle(log.broker, topic, partitions)
    await log.eventually(() => expect(first.pauses.size).toBe(partitions))
    first.pauses.clear()
    first.restored.clear()

    const second = start('second', await log.another())
    await second.runtime.start()
    await log.eventually(() => expect([first.running.length, second.running.length]).toEqual([10, 10]))
    const kept = first.running
    const joinedAt = performance.now()
    await log.eventually(() => {
      for (const task of kept) expect(first.pauses.get(task)?.at).toBeGreaterThan(joinedAt)
    })
    await stop()
    await Promise.all([first.runtime.drain(), second.runtime.drain()])

    const pauses = kept.map((task) => Math.round(first.pauses.get(task)?.longestMs ?? Number.NaN))
    process.stdout.write(`20 tasks, an instance joins: kept tasks took nothing for at most ${Math.max(...pauses)} ms\n`)
    expect([...first.restored]).toEqual([])
    expect(second.restored.size).toBe(10)
    expect(second.restoredRecords).toBeGreaterThanOrEqual(10 * 100)
    await first.runtime.close()
    await second.runtime.close()
  }, 180_000)
})

function settingsOf(topic: string, broker: Broker, stateDirectory: string) {
  return { topic, broker, stateDirectory, application: `app-${topic}`, commitIntervalMs: 100, sessionTimeoutMs: 6_000 }
}

/** What the survivor of two instances restores when the other one is killed while both work. */
async function recordsToTakeOver(
  log: Log,
  settings: Pick<RuntimeSettings, 'processingGuarantee' | 'numStandbyReplicas'>,
): Promise<number> {
  const partitions = 4
  await using folder = await temporaryDirectory()
  const topic = await log.topic(partitions)
  const [owner, survivor] = await Promise.all(
    ['owner', 'survivor'].map(async (name) => {
      const client = await log.another()
      return new RememberingInstance({ ...settingsOf(topic, client, join(folder.path, name)), ...settings })
    }),
  )
  if (!owner || !survivor) throw new Error('two instances')
  await Promise.all([owner.runtime.start(), survivor.runtime.start()])
  await log.eventually(() => expect([owner.running.length, survivor.running.length]).toEqual([2, 2]))
  await writeKeys(log.broker, 'first', { topic, partitions, each: keysEach })
  await Promise.all([owner.runtime.drain(), survivor.runtime.drain()])
  if (settings.numStandbyReplicas > 0) {
    survivor.lags.clear()
    await log.eventually(() => expect([...survivor.lags.values()]).toEqual([0, 0]))
  }
  survivor.restored.clear()
  const stop = trickle(log.broker, topic, partitions)
  await new Promise((resolve) => setTimeout(resolve, 1_000))

  await owner.runtime.kill()
  await log.eventually(() => expect(survivor.running).toHaveLength(partitions))
  await stop()
  await survivor.runtime.drain()
  await survivor.runtime.close()
  return survivor.restoredRecords
}
