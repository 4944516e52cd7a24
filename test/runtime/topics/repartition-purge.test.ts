import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { silentLogger } from '../../../src/logger.ts'
import { count } from '../../../src/operators/index.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { RepartitionPurge, type RepartitionPurgeOptions } from '../../../src/runtime/topics/repartition-purge.ts'
import { TopologyTestDriver } from '../../../src/runtime/topology-test-driver.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { settled } from '../../support/instance.ts'
import { overlaid } from '../../support/overlaid.ts'

const source = kafka({ topic: 'in', key: string, value: string })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() })
const lookMs = 10 * 60_000

/** Lets looks be taken, one after the other. */
async function passing(clock: ManualClock, looks: number): Promise<void> {
  for (let look = 0; look < looks; look++) {
    clock.advance(lookMs)
    await settled()
  }
}

test('records between sub-topologies are deleted an hour after their commit, and what comes later counts on', async () => {
  const builder = new TopologyBuilder()
  builder
    .stream('in', source)
    .process(count('per-value', { by: (value) => value }))
    .to('out', target)
  const logs: Broker[] = []
  const broker = (clock: ManualClock) => {
    const log = embeddedBroker({ clock })
    logs.push(log)
    return log
  }
  await using driver = await TopologyTestDriver.start(builder.build(), { broker })
  const earliestOf = async (topic: string) => (await logs[0]?.offsets([{ topic, partition: 0 }]))?.[0]?.earliest
  const pipe = (...values: string[]) => driver.pipe(source, ...values.map((value) => ({ key: 'k', value })))
  await pipe('a', 'a', 'b')
  expect(await earliestOf('test-per-value-repartition')).toBe(0)

  await passing(driver.clock, 6)
  expect(await earliestOf('test-per-value-repartition')).toBe(0)
  await passing(driver.clock, 1)
  expect(await earliestOf('test-per-value-repartition')).toBe(3)
  expect(await earliestOf('in')).toBe(0)
  await driver.crashAndRestart()
  await pipe('a')

  expect((await driver.read(target)).map(({ key, value }) => `${key}${value}`)).toEqual(['a1', 'a2', 'b1', 'a3'])
})

test('a failure is told and tried again; without the right it is told once', async () => {
  const failures = [
    new StreamError('BROKER_UNREACHABLE', 'nobody answers'),
    new StreamError('BROKER_DENIED', 'no right to delete'),
  ]
  const clock = new ManualClock()
  const warnings: string[] = []
  let asked = 0
  const log = embeddedBroker({ clock })
  const deleteRecords = async () => {
    throw failures[asked++] ?? new Error('it was asked again')
  }
  const place = { topic: 'app-r-repartition', partition: 0 }
  const task = {
    partitions: [{ ...place, offset: 0, node: { internal: true } }],
    view: { committed: new Map([['app-r-repartition-0', 5]]) },
  }
  const purge = new RepartitionPurge({
    broker: overlaid<Broker>(log, { admin: overlaid(log.admin, { deleteRecords }) }),
    clock,
    logger: overlaid(silentLogger, { warn: (_: object, text: string) => void warnings.push(text) }),
    tasks: () => [task] as unknown as ReturnType<RepartitionPurgeOptions['tasks']>,
  })
  purge.start()

  await passing(clock, 10)
  purge.stop()

  expect(asked).toBe(2)
  expect(warnings).toEqual([
    'the topics between sub-topologies are not purged',
    expect.stringContaining('allow Delete on topics whose names begin with that of the application'),
  ])
})
