import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { mapValues } from '../../../src/operators/map-values.ts'
import { repartition } from '../../../src/operators/repartition.ts'
import type { Broker, TopicSpec } from '../../../src/runtime/broker.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { plainTopologyTo, runningIn, topologyTo, until } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { inTopic, ScriptedGroup } from '../../support/scripted-group.ts'

/** Reads `in` without state, and remembers what it saw behind a topic between. */
function throughTopology(sink: RecordingSink, partitions?: number) {
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: inTopic, key: string, value: string }))
    .process(mapValues('same', (value) => value))
    .process(repartition('by-key', { key: string, value: string, ...(partitions === undefined ? {} : { partitions }) }))
    .process(dedupe('seen'))
    .to('out', sink)
  return builder.build()
}

const seen = topologyTo(new RecordingSink(), (stream) => stream.process(dedupe('seen')))

/** A broker with a topic `in` of 4 partitions, and what is there already. */
async function brokerWith(...specs: readonly TopicSpec[]): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: inTopic, partitions: 4 }, ...specs])
  return broker
}

const runtimeOn = (broker: Broker, topology = seen) =>
  new StreamRuntime({ topology, broker, application: 'app', stateInMemory: true })

describe('a changelog topic that does not fit', () => {
  test.each<[string, Partial<TopicSpec>, RegExp]>([
    [
      'is deleted from instead of compacted',
      { cleanup: 'delete' },
      /TOPIC_MISMATCH: changelog topic "app-seen-changelog" has cleanup.policy "delete".*Set `cleanup.policy=compact`/,
    ],
    [
      'is deleted from as well',
      { cleanup: 'compact,delete' },
      /TOPIC_MISMATCH: .* has cleanup.policy "compact,delete"/,
    ],
    [
      'has fewer partitions than there are tasks',
      { cleanup: 'compact', partitions: 2 },
      /TOPIC_MISMATCH: .*"app-seen-changelog" has 2 partitions, but there are 4 tasks: "in" has 4 partitions\. .*another `application`/,
    ],
  ])('is refused before anything is written: it %s', async (_, spec, message) => {
    await using broker = await brokerWith({ topic: 'app-seen-changelog', partitions: 4, ...spec })

    await expect(runtimeOn(broker).start()).rejects.toThrow(message)
    expect(await broker.topics(['app-dead-letter'])).toEqual(new Map())
  })

  test('is taken when nobody may tell what becomes of its records', async () => {
    await using broker = await brokerWith({ topic: 'app-seen-changelog', partitions: 4, cleanup: 'delete' })
    const topics = broker.topics.bind(broker)
    broker.topics = async (names) =>
      new Map([...(await topics(names))].map(([name, { topic, partitions }]) => [name, { topic, partitions }]))
    await using runtime = runtimeOn(broker)

    await runtime.start()

    expect(runtime.tasks).toHaveLength(4)
  })
})

describe('a topic between sub-topologies', () => {
  test('keeps the partitions that it has when the topic before it has grown', async () => {
    await using broker = await brokerWith({ topic: 'app-by-key-repartition', partitions: 2 })
    await using runtime = runtimeOn(broker, throughTopology(new RecordingSink()))

    await runtime.start()

    const tasks = runtime.tasks.map(({ id }) => id).sort()
    expect(tasks).toEqual(['0_0', '0_1', '0_2', '0_3', '1_0', '1_1'])
    expect((await broker.topics(['app-seen-changelog'])).get('app-seen-changelog')?.partitions).toBe(2)
  })

  test.each<[string, Partial<TopicSpec>, RegExp]>([
    [
      'has other partitions than the topology asks for',
      {},
      /asks for 3 partitions of "app-by-key-repartition", which has 2/,
    ],
    [
      'is compacted',
      { cleanup: 'compact', partitions: 3 },
      /"app-by-key-repartition" has cleanup.policy "compact", but each/,
    ],
  ])('is refused when it %s', async (_, spec, message) => {
    await using broker = await brokerWith({ topic: 'app-by-key-repartition', partitions: 2, ...spec })

    await expect(runtimeOn(broker, throughTopology(new RecordingSink(), 3)).start()).rejects.toThrow(message)
  })
})

describe('a partition that is added while an instance runs', () => {
  /** A topic of two partitions, which has grown when the second assignment comes. */
  async function growing() {
    const group = await ScriptedGroup.open({ partitions: 3 })
    const topics = group.broker.topics.bind(group.broker)
    group.broker.topics = async (names) => {
      const found = await topics(names)
      return found.has(inTopic) ? found.set(inTopic, { topic: inTopic, partitions: 2 }) : found
    }
    return group
  }

  test('is read like any other where nothing is remembered', async () => {
    const sink = new RecordingSink()
    await using group = await growing()
    await group.write(2, 'new')
    await using _instance = await runningIn(group, { topology: plainTopologyTo(sink) })

    await until(group.clock, () => sink.written.length > 0)

    expect(sink.written).toEqual(['0_2 new'])
  })

  test('ends the instance with one error that says what to do where there is state', async () => {
    await using group = await growing()
    const runtime = new StreamRuntime({
      topology: seen,
      broker: group.broker,
      clock: group.clock,
      application: 'app',
      stateInMemory: true,
    })

    await expect(runtime.start()).rejects.toThrow(
      /TOPIC_MISMATCH: partition 2 was added to "in", whose state was made for 2 partitions\. Keys have moved/,
    )
  })
})
