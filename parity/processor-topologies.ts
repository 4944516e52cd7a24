import type { Cancel } from '../src/clock.ts'
import { count, merge, tumbling } from '../src/operators/index.ts'
import { noHeaders, type RecordMetadata, type StreamRecord, withValue } from '../src/record.ts'
import { string } from '../src/serde.ts'
import type { ScannableStore, StoreSpec } from '../src/state/store.ts'
import { keyValueStore, windowStore } from '../src/state/store-specs.ts'
import type { ProcessorContext, ProcessorSupplier, PunctuationTime } from '../src/topology/processor.ts'
import { num } from './functions.ts'
import { anyJson, type PlayedTopology } from './played-topology.ts'
import { numberOf, type Recording } from './recording.ts'
import { storageOf } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void
type Context = ProcessorContext<string | null, unknown>
type Step = ProcessorSupplier<string | null, unknown, string | null, unknown>
type AnyRecord = StreamRecord<string | null, unknown>

/** The topologies of the recordings that have processors of their own in them. */
export const processorTopologies: Readonly<Record<string, Builder>> = {
  processorForward: (_, played) => {
    const routed = played.stream().process(step('router', route))
    const left = step('left', (record, context) =>
      context.forward(withValue(record, `L${record.value}@${context.streamTime}`)),
    )
    played.to(routed.process(left), 'out-l')
    played.to(
      routed.process(step('right', (record, context) => context.forward(withValue(record, `R${record.value}`)))),
      'out-r',
    )
  },
  processValues: (recording, played) => {
    const counts = keyValueStore('P', { key: string, value: anyJson, storage: storageOf(recording) })
    const counting = step(
      'counting',
      (record, context) => {
        const { key, value } = record
        if (key === null) return context.forward(withValue(record, 'nokey'))
        const store = context.store(counts)
        const next = num(store.get(key)) + 1
        store.put(key, next)
        context.forward(withValue(record, `${next}:${value}`))
      },
      { stores: [counts] },
    )
    played.to(played.stream().process(counting))
  },
  punctuateStreamTime: (recording, played) => played.to(played.stream().process(punctuated(recording))),
  punctuateWallClock: (recording, played) => played.to(played.stream().process(punctuated(recording))),
  punctuateAnchored: (recording, played) => played.to(played.stream().process(punctuated(recording))),
  punctuateDynamic: (_, played) => played.to(played.stream().process(scheduling())),
  ttlPunctuator: playTimeToLive,
  kvStoreApi: (recording, played) => {
    const storage = storageOf(recording)
    const kept = keyValueStore('S', { key: string, value: anyJson, storage, keysInMemory: true })
    const asking = step(
      'asking',
      (record, context) => {
        if (record.key !== null)
          context.forward(withValue(record, answer(context.store(kept), record.key, record.value, storage)))
      },
      { stores: [kept] },
    )
    played.to(played.stream().process(asking))
  },
  dedupWindow: playDeduplication,
  streamTimeMulti: (recording, played) => {
    // What connects the two there is that the driver has one task for all; here it is a store.
    const shared = keyValueStore('shared', { key: string, value: anyJson, storage: storageOf(recording) })
    for (const topic of ['a', 'b']) {
      const stream = played.stream(topic)
      played.to(
        stream.process(step(`time-${topic}`, tellStreamTime, { stores: [topic === 'a' ? shared : 'shared'] })),
        `o${topic}`,
      )
      const window = tumbling({ sizeMs: 100, graceMs: 0 })
      const counts = count(`S${topic.toUpperCase()}`, { window, storage: storageOf(recording) })
      played.toWindowed(stream.process(counts), 100, `w${topic}`)
    }
  },
  partitionChoice: playPartitions,
  taskIdle: playPartitions,
}

function playPartitions({ topology }: Recording, played: PlayedTopology): void {
  played.settings = { maxTaskIdleMs: Number(topology.maxTaskIdleMs) }
  const both = played.stream('a').process(merge('both', played.stream('b')))
  played.to(both.process(step('time', tellStreamTime)))
}

function tellStreamTime(record: AnyRecord, context: Context): void {
  context.forward(withValue(record, `${record.value}@${context.streamTime}`))
}

function route(record: AnyRecord, context: Context): void {
  const rest = num(record.value) % 3
  if (rest === 0) context.forward(record, 'left')
  else if (rest === 1) context.forward({ ...record, key: 'R', timestamp: record.timestamp + 1_000 }, 'right')
  else {
    context.forward(record)
    context.forward({ ...record, headers: [...record.headers, { key: 'x', value: Buffer.from(String(record.value)) }] })
  }
}

/** There a punctuator is told of a place that is none. */
const noPlace: RecordMetadata = { topic: 'null', partition: -1, offset: -1 }

function punctuated({ topology }: Recording): Step {
  const by: PunctuationTime = topology.type === 'STREAM_TIME' ? 'stream-time' : 'wall-clock'
  const { startTimeMs, cancelAfterFires } = topology
  const options = typeof startTimeMs === 'number' ? { startMs: startTimeMs } : {}
  return {
    name: 'punctuated',
    operator: 'process',
    create: () => ({
      init(context) {
        let fires = 0
        const cancel = context.schedule(
          Number(topology.intervalMs),
          by,
          (timestamp) => {
            fires++
            const isPresent = (context.source ?? noPlace) !== undefined
            const value = `${fires}:${timestamp}:${context.streamTime}:${context.wallClock}:${isPresent}`
            context.forward({ key: 'tick', value, timestamp, headers: noHeaders })
            if (fires === cancelAfterFires) cancel()
          },
          options,
        )
      },
      process(record, context) {
        const { topic, partition, offset } = context.source ?? noPlace
        const value = `${record.value}@${context.streamTime},${context.wallClock},${topic}/${partition}/${offset}`
        context.forward(withValue(record, value))
      },
    }),
  }
}

/** Records say what is scheduled and what is cancelled. */
function scheduling(): Step {
  return {
    name: 'scheduling',
    operator: 'process',
    create: () => {
      const cancels: Cancel[] = []
      let scheduled = 0
      return {
        process(record, context) {
          const text = String(record.value)
          if (/^[SW]\d+$/.test(text)) cancels.push(schedule(text, ++scheduled, context))
          const cancelled = text === 'C' ? cancels.length : Number(text === 'C1')
          for (const cancel of cancels.splice(0, cancelled)) cancel()
          context.forward(record)
        },
      }
    },
  }
}

function schedule(text: string, id: number, context: Context): Cancel {
  const by: PunctuationTime = text.startsWith('S') ? 'stream-time' : 'wall-clock'
  return context.schedule(Number(text.slice(1)), by, (timestamp) => {
    const value = `${text}:${timestamp}:${context.streamTime}`
    context.forward({ key: `tick${id}`, value, timestamp, headers: noHeaders })
  })
}

function playTimeToLive(recording: Recording, played: PlayedTopology): void {
  const ttlMs = numberOf(recording, 'ttlMs')
  const options = { key: string, value: anyJson, storage: storageOf(recording), keysInMemory: true } as const
  const kept = keyValueStore('T', options)
  const expiring: Step = {
    name: 'expiring',
    operator: 'process',
    stores: [kept],
    create: () => ({
      init(context) {
        const store = context.store(kept)
        context.schedule(numberOf(recording, 'punctuateMs'), 'stream-time', (timestamp) => {
          for (const [key, value] of store.scan()) {
            if (Number(String(value).split('|')[1]) + ttlMs > timestamp) continue
            store.delete(key)
            context.forward({ key, value: null, timestamp, headers: noHeaders })
          }
        })
      },
      process(record, context) {
        const { key, value, timestamp } = record
        if (key === null) return context.forward({ ...record, key: 'nullkey' })
        if (value === null) context.store(kept).delete(key)
        else context.store(kept).put(key, `${value}|${timestamp}`)
        context.forward(record)
      },
    }),
  }
  played.to(played.stream().process(expiring))
}

function answer(store: ScannableStore<string, unknown>, key: string, value: unknown, storage: string): string {
  const listed = (entries: Iterable<readonly [string, unknown]>) => [...entries].map((entry) => entry.join('=')).join()
  const before = store.get(key) ?? null
  if (value === null) {
    store.delete(key)
    return `del=${before}`
  }
  const number = num(value)
  switch (number % 5) {
    case 0:
      if (before === null) store.put(key, value)
      return `pia=${before}`
    case 1: {
      const [from, to] = key < 'b' ? [key, 'b'] : ['b', key]
      return `range=${listed(store.scan({ from, to }))}`
    }
    case 2:
      return `rrange=${listed(store.scan({ to: key, reverse: true }))}`
    case 3:
      store.put(key, value)
      return storage === 'memory' ? `approx=${store.size}` : 'put'
    default:
      store.put(key, value)
      store.put(`${key}x`, number + 1)
      return `prefix=${listed(store.scanPrefix(key))}`
  }
}

function playDeduplication(recording: Recording, played: PlayedTopology): void {
  const dedupMs = numberOf(recording, 'dedupMs')
  const retentionMs = numberOf(recording, 'retentionMs')
  const seen = windowStore('D', { key: string, value: string, retentionMs, storage: storageOf(recording) })
  const once = step(
    'once',
    (record, context) => {
      const { key, value, timestamp } = record
      if (value === null) return context.forward(record)
      const store = context.store(seen)
      const known = store.fetchRange(String(value), Math.max(0, timestamp - dedupMs), timestamp + dedupMs).length > 0
      // There the store counts what is too late for it.
      if (!store.put(String(value), timestamp, key ?? 'null', timestamp)) context.drop('late')
      if (!known) context.forward(record)
    },
    { stores: [seen] },
  )
  played.to(played.stream().process(once))
}

function step(
  name: string,
  process: (record: AnyRecord, context: Context) => void,
  more: { readonly stores?: readonly (StoreSpec | string)[] } = {},
): Step {
  return { name, operator: 'process', create: () => ({ process }), ...more }
}
