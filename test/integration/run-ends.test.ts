import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, inject, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { KafkaClientFactory, retries } from '../../src/connectors/kafka/client.ts'
import { holds, type RunningCommand, startMillrace } from '../support/command-line.ts'
import { KafkaServer } from '../support/kafka-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** The deadline of the hand-over, and what leaving and closing may wait for a broker that does not answer. */
const closeDeadlineMs = 5_000
const exitWithinMs = 40_000

const topology = `
import { string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'
import { dedupe } from 'millrace/operators'

const builder = new TopologyBuilder()
builder
  .stream('in', kafka({ topic: 'in', key: string, value: string }))
  .process(dedupe('unchanged'))
  .to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
export default builder.build()
`

async function msUntilEnd({ result }: RunningCommand): Promise<number> {
  const began = Date.now()
  await result
  return Date.now() - began
}

describe.skipIf(!inject('kafkaServers'))('millrace run ends in bounded time', () => {
  /** A Kafka of its own with the topics, and how to start an instance on it. */
  async function setUp() {
    const folder = await temporaryDirectory()
    const server = await KafkaServer.start()
    const broker = kafkaBroker({ brokers: [server.address] })
    await broker.open()
    await broker.createTopics(['in', 'out'].map((topic) => ({ topic, partitions: 4 })))
    await broker.close()
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topology)
    const run = (name: string) =>
      startMillrace([
        'run',
        file,
        '--brokers',
        server.address,
        '--application',
        'ends',
        '--state',
        join(folder.path, name),
        ...['--set', `closeDeadlineMs=${closeDeadlineMs}`],
      ])
    const dispose = async () => {
      await server[Symbol.asyncDispose]()
      await folder[Symbol.asyncDispose]()
    }
    return { server, run, [Symbol.asyncDispose]: dispose }
  }

  test('when it is told to while its Kafka is gone, in the middle of a rebalance', async () => {
    await using set = await setUp()
    const owner = set.run('owner')
    await holds(() => owner.log().includes('the runtime is running'), owner)
    const joining = set.run('joining')
    await holds(() => owner.log().split('the runtime is rebalancing').length > 2, owner, joining)

    await set.server.kill()
    owner.child.kill('SIGTERM')
    joining.child.kill('SIGTERM')
    const took = await Promise.all([msUntilEnd(owner), msUntilEnd(joining)])

    for (const { log } of [owner, joining]) {
      // Each attempt is a detail.
      expect(log()).not.toContain('BrokerPool')
      expect(log().split('cannot be reached').length).toBeLessThanOrEqual(2)
    }
    for (const ms of took) expect(ms).toBeLessThan(exitWithinMs)
  }, 120_000)

  test('with a failure when its topic is gone', async () => {
    await using set = await setUp()
    const owner = set.run('owner')
    await holds(() => owner.log().includes('the runtime is running'), owner)

    const admin = new KafkaClientFactory({ brokers: [set.server.address] }).kafka(retries.request).admin()
    await admin.connect()
    await admin.deleteTopics({ topics: ['in'] })
    await admin.disconnect()
    const took = await msUntilEnd(owner)
    const { code, stderr } = await owner.result

    expect(code).toBe(78)
    expect(stderr).toContain('TOPIC_MISSING')
    expect(took).toBeLessThan(exitWithinMs)
  }, 120_000)
})
