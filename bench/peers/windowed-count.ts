import { randomUUID } from 'node:crypto'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { kafkaVersion, missingForKafka } from '../../test/support/kafka-distribution.ts'
import { KafkaServer } from '../../test/support/kafka-server.ts'
import { cacheFolder, mavenJars, missingForJars } from '../../test/support/maven-jars.ts'
import { temporaryDirectory } from '../../test/support/temporary-directory.ts'
import { compare, type Figure, median, rounded } from '../measure.ts'
import { forkedPeer, javaPeer, type Peer, type RoundTime } from './rounds.ts'

const streamsJars = join(cacheFolder, `kafka-streams-${kafkaVersion}`)
const partitions = 4
const records = 300_000
const keys = 1_000
const recordsPerSecond = 1_000
const windowMs = 10_000
const commitIntervalMs = 1_000
const rounds = 5

/** Records per second of a windowed count with its state on LevelDB, against Kafka Streams with RocksDB, on one broker. */
export async function peerJavaStreams(): Promise<Figure | undefined> {
  const figure = 'peers.java-streams'
  const missing = await missingForJars(streamsJars)
  if (missing) return leftOut(figure, missing)
  return contest(figure, 'Kafka Streams with RocksDB', async (place) => {
    const streams = `org.apache.kafka:kafka-streams:${kafkaVersion}` as const
    const classPath = await mavenJars(streamsJars, [streams, 'org.slf4j:slf4j-nop:1.7.36'])
    const source = fileURLToPath(new URL('./WindowedCount.java', import.meta.url))
    return javaPeer(classPath, [source, ...parametersOf(place, 'java')])
  })
}

/** The same against a KafkaJS consumer that does nothing with its records. */
export async function peerConsumer(): Promise<Figure | undefined> {
  return contest('peers.consumer', 'a KafkaJS consumer that does nothing', async ({ address }) =>
    forkedPeer(new URL('./consumer-child.ts', import.meta.url), [address]),
  )
}

interface Place {
  readonly address: string
  readonly folder: string
}

const parametersOf = ({ address, folder }: Place, name: string) =>
  [address, join(folder, name), windowMs, commitIntervalMs].map(String)

async function contest(
  figure: string,
  opponent: string,
  start: (place: Place) => Promise<Peer>,
): Promise<Figure | undefined> {
  const missing = await missingForKafka()
  if (missing) return leftOut(figure, missing)
  await using kafka = await KafkaServer.start()
  await using folder = await temporaryDirectory()
  await using broker = kafkaBroker({ brokers: [kafka.address] })
  await broker.open()
  const input = await written(broker)
  const place = { address: kafka.address, folder: folder.path }
  using subject = forkedPeer(new URL('./windowed-count-child.ts', import.meta.url), parametersOf(place, 'millrace'))
  using baseline = await start(place)
  const cpu = { subject: [] as number[], baseline: [] as number[] }
  const measured = (peer: Peer, who: keyof typeof cpu) => async () => {
    const { wallMs, cpuMs } = await roundOf(peer, broker, input)
    cpu[who].push(cpuMs)
    return wallMs
  }
  const { speedup, subjectMs, baselineMs } = await compare({
    rounds,
    subject: measured(subject, 'subject'),
    baseline: measured(baseline, 'baseline'),
  })
  const rate = (ms: number) => `${rounded(records / ms)} records/ms`
  const perRecord = (ms: readonly number[]) => `${rounded((1_000 * median(ms)) / records)} us of CPU a record`
  return {
    figure,
    value: rounded(speedup),
    unit: 'x',
    detail: `rate of a windowed count on LevelDB (${rate(subjectMs)}, ${perRecord(cpu.subject)}) / of ${opponent} (${rate(baselineMs)}, ${perRecord(cpu.baseline)}); ${records} records in ${partitions} partitions, one instance`,
  }
}

function leftOut(figure: string, missing: string): undefined {
  console.error(`${figure} is left out: ${missing}`)
}

async function roundOf(peer: Peer, broker: Broker, input: string): Promise<RoundTime> {
  const application = `bench-${randomUUID()}`
  const output = `${application}-output`
  await broker.createTopics([{ topic: output, partitions }])
  const time = await peer.run({ application, input, output, records })
  await broker.admin?.deleteTopics([output])
  return time
}

/** Ten records of each key in each window, in the order of time. */
async function written(broker: Broker): Promise<string> {
  const topic = 'input'
  await broker.createTopics([{ topic, partitions }])
  const producer = await broker.producer()
  const startMs = Date.now() - (records / recordsPerSecond) * 1_000
  for (let from = 0; from < records; from += 5_000) {
    const batch = Array.from({ length: 5_000 }, (_, index) => {
      const at = from + index
      const key = Buffer.from(`user ${(at * 7_919) % keys}`)
      const value = Buffer.from(`{"page":"/articles/${at}","referrer":"/search","milliseconds":${at % 977}}`)
      const timestamp = Math.round(startMs + (at * 1_000) / recordsPerSecond)
      return { topic, partition: partitionFor(key, partitions), key, value, timestamp, headers: noHeaders }
    })
    await producer.send(batch)
  }
  await producer.close()
  return topic
}
