import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { holds, type RunningCommand, startMillrace } from '../support/command-line.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { logRecord, readAll } from '../support/log-records.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 4
const records = 20_000
/** So many results are there when the signal comes: the instance is at work, and most is still to do. */
const early = 1_000
const closeDeadlineMs = 10_000

/** Every key comes once: a record that is processed twice counts 2, and has two results. */
const topologyFile = (topic: string) => `
import { msgpack, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'
import { count } from 'millrace/operators'

const builder = new TopologyBuilder()
builder
  .stream('in', kafka({ topic: '${topic}', key: string, value: string }))
  .process(count('seen'))
  .to('out', kafkaTopic({ topic: '${topic}-out', key: string, value: msgpack<number>() }))
export default builder.build()
`

async function load(broker: Broker, topic: string): Promise<void> {
  const producer = await broker.producer()
  const sent = Array.from({ length: partitions }, (_, partition) => {
    const place = { topic, partition }
    const own = Array.from({ length: records / partitions }, (_, at) =>
      logRecord(place, `${partition}-${at}`, 'text', 1),
    )
    return producer.send(own)
  })
  await Promise.all(sent)
  await producer.close()
}

const places = (topic: string) => Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))

async function written(broker: Broker, topic: string): Promise<number> {
  return (await broker.offsets(places(topic))).reduce((sum, { latest }) => sum + latest, 0)
}

/** `SIGTERM`, and what came of it. */
async function stopped(command: RunningCommand): Promise<{ readonly code: number | null; readonly tookMs: number }> {
  const began = Date.now()
  command.child.kill('SIGTERM')
  const { code } = await command.result
  return { code, tookMs: Date.now() - began }
}

test.skipIf(kafkaBrokers.length === 0)(
  'SIGTERM under full load ends an instance with 0 within the deadline, and the next one processes nothing twice',
  async () => {
    await using folder = await temporaryDirectory()
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const topic = `stopped-${Date.now()}`
    const out = `${topic}-out`
    await broker.createTopics([topic, out].map((name) => ({ topic: name, partitions })))
    await load(broker, topic)
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topologyFile(topic))
    const run = () =>
      startMillrace([
        ...['run', file, '--brokers', kafkaBrokers.join(','), '--application', topic],
        ...['--state', join(folder.path, 'state'), '--set', `closeDeadlineMs=${closeDeadlineMs}`],
      ])

    const first = run()
    await holds(async () => (await written(broker, out)) >= early, first)
    const firstEnd = await stopped(first)
    const doneByFirst = await written(broker, out)
    const second = run()
    await holds(async () => (await written(broker, out)) >= records, second)
    const secondEnd = await stopped(second)

    expect(doneByFirst).toBeLessThan(records)
    expect([firstEnd.code, secondEnd.code]).toEqual([0, 0])
    expect(Math.max(firstEnd.tookMs, secondEnd.tookMs)).toBeLessThan(closeDeadlineMs)
    const results = (await Promise.all(places(out).map((place) => readAll(broker, place)))).flat()
    const keys = results.map(({ key }) => Buffer.from(key ?? []).toString())
    expect([keys.length, new Set(keys).size]).toEqual([records, records])
    const committed = await broker.committed(topic, places(topic))
    expect(committed.map(({ offset }) => offset)).toEqual(places(topic).map(() => records / partitions))
    console.log(`stopped after ${doneByFirst} of ${records} results: ${firstEnd.tookMs} ms and ${secondEnd.tookMs} ms`)
  },
  120_000,
)
