import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { IndexWatch, type IndexWrite } from '../../chaos/index-watch.ts'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { book500, type ChangeEvent, changeStream } from '../support/change-stream.ts'
import { startMillrace } from '../support/command-line.ts'
import { dump, produceEvents } from '../support/document-pipeline.ts'
import { InstanceProcesses, partitionsOf } from '../support/instance-processes.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { type DumpedPoint, faultsOf } from '../support/oracle.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 6
const sessionTimeoutMs = 3_000
const freezes = Number(process.env.MILLRACE_FREEZES ?? 2)
const burst = 10
const burstEveryMs = 120
/** So many document writes of the victim make sure that more of them are under way. */
const writesBefore = 20

const names = ['one', 'two'] as const
type Name = (typeof names)[number]

/** An embedder that takes its time: some documents have to be on their way when their instance is frozen. */
const topologyFile = (topic: string, url: string, name: Name) => `
import { setTimeout as pause } from 'node:timers/promises'
import { FileDocument, json, string, TopologyBuilder } from 'millrace'
import { kafka, qdrant } from 'millrace/connectors'
import { embed, hash } from 'millrace/embed'
import { chunk, dedupe, diff } from 'millrace/operators'

const quick = hash({ dimensions: 32 })
const slow = {
  ...quick,
  async embed(texts, signal) {
    await pause(30 + 2 * texts.length, undefined, { signal })
    return quick.embed(texts, signal)
  },
}
const index = qdrant({ collection: 'documents', url: '${url}', apiKey: '${name}', requestTimeoutMs: 1_000 })
const builder = new TopologyBuilder()
builder
  .stream('documents', kafka({ topic: '${topic}', key: string, value: json(FileDocument) }))
  .process(dedupe('unchanged'))
  .process(chunk('chunks', { text: (document) => document.text }))
  .process(diff('changes', { against: index }))
  .process(embed('vectors', slow))
  .to('index', index)
export default builder.build()
`

const stream = changeStream(book500)

/** The stream of one freeze. It has documents of its own, so that no later version hides what it broke. */
const streamOf = (freeze: number): ChangeEvent[] =>
  stream.map((event) => ({ ...event, key: `freeze ${freeze}/${event.key}` }))

/** Writes the events in bursts, again from the first after the last, until it is told to stop. Returns what it has written. */
function load(broker: Broker, topic: string, events: readonly ChangeEvent[]): () => Promise<readonly ChangeEvent[]> {
  let isStopped = false
  const written: ChangeEvent[] = []
  const running = (async () => {
    for (let at = 0; !isStopped; at = (at + burst) % events.length) {
      const next = events.slice(at, at + burst)
      await produceEvents(broker, next, { topic, partitions })
      written.push(...next)
      await new Promise((resolve) => setTimeout(resolve, burstEveryMs))
    }
  })()
  return async () => {
    isStopped = true
    await running
    return written
  }
}

async function pointsAt(url: string): Promise<DumpedPoint[]> {
  const index = qdrant({ collection: 'documents', url, readOnly: true })
  await index.open({ id: '', dimensions: 32 })
  try {
    return await dump(index)
  } finally {
    await index.close()
  }
}

const partitionsWritten = (writes: readonly IndexWrite[], by: Name): Set<number> =>
  new Set(writes.filter((write) => write.by === by).map(({ partition }) => partition))

test.skipIf(kafkaBrokers.length === 0)(
  'an owner that is frozen for two sessions, while another takes over, and goes on leaves no document wrong',
  async () => {
    await using folder = await temporaryDirectory()
    const watch = new IndexWatch()
    await using double = await startQdrantDouble({ onHandled: (request) => watch.handled(request), maxLoggedBytes: 0 })
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const topic = `frozen-${Date.now()}`
    await broker.createTopics([{ topic, partitions, cleanup: 'compact' }])
    await Promise.all(
      names.map((name) => writeFile(join(folder.path, `${name}.ts`), topologyFile(topic, double.url, name))),
    )
    await using instances = new InstanceProcesses((name) =>
      startMillrace([
        ...['run', join(folder.path, `${name}.ts`), '--brokers', kafkaBrokers.join(','), '--application', topic],
        ...['--state', join(folder.path, name), '--set', `sessionTimeoutMs=${sessionTimeoutMs}`],
        ...['--set', 'commitIntervalMs=200'],
      ]),
    )
    const writesSince = (start: number, by: Name) => watch.writes.slice(start).filter((write) => write.by === by)
    const drained = () =>
      instances.hold(async () => {
        const all = partitionsOf(topic, partitions)
        const [ends, committed] = await Promise.all([broker.offsets(all), broker.committed(topic, all)])
        return ends.every(({ latest }, at) => latest === (committed[at]?.offset ?? 0))
      })
    await instances.start(...names)
    const delivered: ChangeEvent[] = []
    const diverged: string[][] = []

    for (let freeze = 0; freeze < freezes; freeze++) {
      // given: both at work on documents that go on arriving
      const [victim, other] = freeze % 2 === 0 ? (['one', 'two'] as const) : (['two', 'one'] as const)
      const start = watch.writes.length
      const stop = load(broker, topic, streamOf(freeze))
      await instances.hold(() => [victim, other].every((name) => writesSince(start, name).length >= writesBefore))

      // when: one is frozen until the other has written to all of its partitions, and goes on
      const owned = partitionsWritten(watch.writes.slice(start), victim)
      const frozenAt = watch.writes.length
      await instances.freeze(victim, 2 * sessionTimeoutMs, () =>
        instances.hold(() => owned.isSubsetOf(partitionsWritten(watch.writes.slice(frozenAt), other))),
      )
      const thawedAt = watch.writes.length
      await instances.hold(() => writesSince(thawedAt, victim).length > 0)
      const events = await stop()
      await drained()

      // then: every document of this freeze is right, and stays so
      delivered.push(...events)
      const points = await pointsAt(double.url)
      const faults = faultsOf(
        events,
        points.filter(({ key }) => key.startsWith(`freeze ${freeze}/`)),
      )
      if (faults.length > 0) diverged.push([`freeze ${freeze} of ${victim}`, ...faults])
    }
    const ends = await instances.stop(...names)

    process.stdout.write(`${freezes - diverged.length} of ${freezes} freezes without a divergence\n`)
    expect(diverged).toEqual([])
    expect(faultsOf(delivered, await pointsAt(double.url))).toEqual([])
    expect(ends.map(({ code }) => code)).toEqual([0, 0])
  },
  60_000 + 60_000 * freezes,
)
