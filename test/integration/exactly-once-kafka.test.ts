import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, inject, test } from 'vitest'
import { PersistentSender } from '../../chaos/delivery.ts'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { startMillrace } from '../support/command-line.ts'
import { InstanceProcesses, partitionsOf } from '../support/instance-processes.ts'
import { KafkaServer } from '../support/kafka-server.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 4
const keys = Array.from({ length: 40 }, (_, index) => `key ${index}`)
const sessionTimeoutMs = 2_000
/** How often one process is killed and the other told to stop, before all the rest; and how often the broker is killed. */
const rounds = Number(process.env.MILLRACE_KILL_ROUNDS ?? 1)
const loadEveryMs = 25
/** So many records of each partition are committed before the next thing goes wrong. */
const progress = 20

/** For a while after a restart the partitions are without a leader: Kafka 4 then leaves transactions open that it calls complete. */
const leaderlessForAWhile = { 'broker.heartbeat.interval.ms': '1500', 'broker.session.timeout.ms': '6000' }

type Guarantee = 'exactly_once' | 'at_least_once'

/** Counts the records of each key in a store, and tells each count to a topic. */
const topologyFile = (words: string, counted: string) => `
import { msgpack, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'

const builder = new TopologyBuilder()
builder
  .stream('words', kafka({ topic: '${words}', key: string, value: string }))
  .process({
    name: 'counts',
    operator: 'count',
    stores: [{ kind: 'key-value', name: 'counts', key: string, value: msgpack() }],
    create: () => ({
      process(record, context) {
        const count = (context.store('counts').get(record.key) ?? 0) + 1
        context.store('counts').put(record.key, count)
        context.forward({ ...record, value: String(count) })
      },
    }),
  })
  .to('counted', kafkaTopic({ topic: '${counted}', key: string, value: string }))
export default builder.build()
`

/** Writes to a topic without a pause until it is told to stop; what the broker has not confirmed is written again. */
function load(broker: Broker, topic: string): () => Promise<void> {
  let isStopped = false
  const running = (async () => {
    const sender = new PersistentSender(broker, () => undefined)
    for (let at = 0; !isStopped; at += 10) {
      const batch = Array.from({ length: 10 }, (_, index) => Buffer.from(keys[(at + index) % keys.length] ?? ''))
      await sender.send(
        batch.map((key) => ({
          ...{ topic, partition: partitionFor(key, partitions), key, value: key },
          ...{ timestamp: Date.now(), headers: noHeaders },
        })),
      )
      await pause(loadEveryMs)
    }
    await sender.close()
  })()
  return async () => {
    isStopped = true
    await running
  }
}

/** What a reader of committed records finds under each key, in the order of the log. */
async function valuesByKey(broker: Broker, topic: string): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>(keys.map((key) => [key, []]))
  for (const partition of partitionsOf(topic, partitions)) {
    for await (const { records } of broker.read(partition, 0)) {
      for (const { key, value } of records) found.get(`${Buffer.from(key ?? [])}`)?.push(`${Buffer.from(value ?? [])}`)
    }
  }
  return found
}

interface Counted {
  readonly guarantee: Guarantee
  readonly broker: Broker
  readonly brokers: string
  readonly folder: string
}

/** One application under treatment: its processes, its topics, and the load on them. */
async function counting({ guarantee, broker, brokers, folder }: Counted) {
  const [words, counted] = [`words-${guarantee}`, `counted-${guarantee}`]
  await broker.createTopics([
    { topic: words, partitions },
    { topic: counted, partitions },
  ])
  const file = join(folder, `${guarantee}.ts`)
  await writeFile(file, topologyFile(words, counted))
  const settings = { processingGuarantee: guarantee, sessionTimeoutMs, commitIntervalMs: 50, closeDeadlineMs: 5_000 }
  const instances = new InstanceProcesses((name) =>
    startMillrace([
      ...['run', file, '--brokers', brokers, '--application', guarantee],
      ...['--state', join(folder, `${guarantee}-${name}`)],
      ...Object.entries(settings).flatMap(([setting, value]) => ['--set', `${setting}=${value}`]),
    ]),
  )
  const committed = async () =>
    (await broker.committed(guarantee, partitionsOf(words, partitions))).map(({ offset = 0 }) => offset)
  /** All partitions have an owner at work. */
  const goesOn = async () => {
    const before = await committed()
    await instances.hold(async () => (await committed()).every((offset, at) => offset >= (before[at] ?? 0) + progress))
  }
  const drained = () =>
    instances.hold(async () => {
      const [ends, done] = await Promise.all([broker.offsets(partitionsOf(words, partitions)), committed()])
      return ends.every(({ latest }, at) => latest === done[at])
    })
  return { guarantee, words, counted, instances, goesOn, drained }
}

type Counting = Awaited<ReturnType<typeof counting>>

/** Kills processes, tells them to stop, freezes one beyond its session, and takes their broker away. Returns how they ended when told to. */
async function treat({ instances, goesOn }: Counting, restartBroker: () => Promise<void>): Promise<number[]> {
  const codes: number[] = []
  await instances.start('a', 'b')
  await goesOn()
  for (let round = 0; round < rounds; round++) {
    const [one, other] = round % 2 === 0 ? ['a', 'b'] : ['b', 'a']
    await instances.kill(one)
    await instances.start(one)
    await goesOn()
    codes.push(...(await instances.stop(other)).map(({ code }) => code ?? -1))
    await instances.start(other)
    await goesOn()
    if (round === 0) continue
    await restartBroker()
    await goesOn()
  }
  await instances.freeze('a', 2 * sessionTimeoutMs, goesOn)
  await goesOn()
  await restartBroker()
  await goesOn()
  await instances.kill('a', 'b')
  await instances.start('a', 'b')
  await goesOn()
  return codes
}

/** The action is done when so many have asked for it, each time. */
function together(count: number, action: () => Promise<void>): () => Promise<void> {
  let next = Promise.withResolvers<void>()
  let missing = count
  return () => {
    const { promise, resolve } = next
    if (--missing > 0) return promise
    missing = count
    next = Promise.withResolvers<void>()
    resolve(action())
    return promise
  }
}

const countsUpTo = (count: number) => Array.from({ length: count }, (_, index) => String(index + 1))

/** A line for each key whose counts are not exactly 1 to the number of its records, each once, in order. */
function inexact(words: Map<string, string[]>, counts: Map<string, string[]>): string[] {
  return keys.flatMap((key) => {
    const wanted = countsUpTo(words.get(key)?.length ?? 0)
    const found = counts.get(key) ?? []
    const at = wanted.findIndex((count, index) => count !== found[index])
    if (at < 0 && found.length === wanted.length) return []
    const place = Math.max(0, (at < 0 ? wanted.length : at) - 3)
    return [
      `${key}: ${found.length} counts of ${wanted.length} records, from count ${place + 1}: ${found.slice(place, place + 8)}`,
    ]
  })
}

/** A line for each key of which a count is missing. */
function short(words: Map<string, string[]>, counts: Map<string, string[]>): string[] {
  return keys.flatMap((key) => {
    const found = new Set(counts.get(key))
    const missing = countsUpTo(words.get(key)?.length ?? 0).filter((count) => !found.has(count))
    return missing.length === 0 ? [] : [`${key}: without ${missing.slice(0, 8)}`]
  })
}

const sizeOf = (values: Map<string, string[]>) => [...values.values()].reduce((sum, { length }) => sum + length, 0)

test.skipIf(!inject('kafkaServers'))(
  'processes that are killed, told to stop and frozen, with a broker that is restarted, count exactly with exactly_once, and never short with at_least_once',
  async () => {
    await using folder = await temporaryDirectory()
    await using kafka = await KafkaServer.start({ settings: leaderlessForAWhile })
    await using broker = kafkaBroker({ brokers: [kafka.address] })
    await broker.open()
    const place = { broker, brokers: kafka.address, folder: folder.path }
    const exact = await counting({ ...place, guarantee: 'exactly_once' })
    const atLeast = await counting({ ...place, guarantee: 'at_least_once' })
    await using _ = exact.instances
    await using __ = atLeast.instances

    // given: both at work under load; when: the same happens to both
    const loads = [exact, atLeast].map(({ words }) => load(broker, words))
    const restartBroker = together(2, async () => {
      await kafka.kill()
      await kafka.restart()
    })
    const codes = await Promise.all([treat(exact, restartBroker), treat(atLeast, restartBroker)])
    await Promise.all(loads.map((stop) => stop()))
    await Promise.all([exact.drained(), atLeast.drained()])
    const ends = await Promise.all([exact.instances.stop('a', 'b'), atLeast.instances.stop('a', 'b')])

    // then: who was told to stop said goodbye, and the counts are what the guarantees promise
    expect([...codes.flat(), ...ends.flat().map(({ code }) => code)]).toEqual(Array(2 * rounds + 4).fill(0))
    const [exactWords, exactCounts, words, counts] = await Promise.all(
      [exact.words, exact.counted, atLeast.words, atLeast.counted].map((topic) => valuesByKey(broker, topic)),
    )
    if (!exactWords || !exactCounts || !words || !counts) throw new Error('four topics')
    process.stdout.write(
      `${2 * (rounds + 2)} kills, 2 freezes, ${rounds} broker restarts: exactly_once ${sizeOf(exactCounts)} counts of ${sizeOf(exactWords)} records, at_least_once ${sizeOf(counts)} of ${sizeOf(words)}\n`,
    )
    expect(inexact(exactWords, exactCounts)).toEqual([])
    expect(short(words, counts)).toEqual([])
  },
  120_000 + 60_000 * rounds,
)
