import {
  branches,
  cogroup,
  cogrouped,
  count,
  filter,
  flatMap,
  type KeyValue,
  map,
  merge,
  peek,
  suppress,
  unlimited,
} from '../src/operators/index.ts'
import { withValue } from '../src/record.ts'
import type { ProcessorSupplier } from '../src/topology/processor.ts'
import { fold31, isEven, num } from './functions.ts'
import type { PlayedTopology } from './played-topology.ts'
import { numberOf, type Recording } from './recording.ts'
import { storageOf, storedAs } from './table-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** The topologies of the recordings that hold back, part and bring together. */
export const dslTopologies: Readonly<Record<string, Builder>> = {
  suppressUntilTimeLimit: (recording, played) => {
    const { maxRecords, whenFull } = recording.topology
    const untilTimeLimitMs = numberOf(recording, 'timeLimitMs')
    const storage = storageOf(recording)
    const calm = suppress<string, unknown>('suppressed', {
      untilTimeLimitMs,
      storage,
      ...(typeof maxRecords === 'number' && { maxRecords }),
      whenFull: whenFull === 'shutDownWhenFull' ? 'shut-down' : 'emit-early',
    })
    played.to(played.table('T', 'in', storage).process(calm).toStream())
  },
  unlimitedWindow: (recording, played) => {
    const window = unlimited({ startMs: numberOf(recording, 'startMs') })
    const counts = played.stream().process(count('S', { window, storage: storageOf(recording) }))
    played.toWindowed(counts, window.sizeMs)
  },
  peek: (_, played) => {
    const shown = (name: string) =>
      peek<string | null, unknown>(name, ({ key, value }) => void played.trace.push([name, key, value]))
    const all = played.stream().process(shown('P0'))
    // Their values are null there too, where our own lets tombstones pass.
    const marked = all.process(map('marked', (key, value): KeyValue<string | null, unknown> => [key, `x${value}`]))
    played.to(marked.process(shown('P1')), 'o1')
    const twice = flatMap('twice', (key: string | null, value: unknown): KeyValue<string | null, unknown>[] => [
      [key, `${value}.0`],
      [key, `${value}.1`],
    ])
    const both = all.process(twice).process(shown('P2'))
    played.to(both.process(shown('P3')), 'o2')
    const second = both.process(filter('second', (value) => String(value).endsWith('.1')))
    played.to(second.process(shown('P4')), 'o3')
    played.to(all.process(shown('P5')), 'o1')
  },
  multiTopicSource: (_, played) =>
    played.to(
      played
        .stream('a')
        .process(merge('both', played.stream('b')))
        .process(withStreamTime),
    ),
  toDynamic: (_, played) =>
    played.toOneOf(played.stream(), ['out-0', 'out-1', 'out-2', 'out-n'], ({ value, timestamp }, source) => {
      played.trace.push([source?.topic, source?.offset, source?.partition, timestamp])
      return `out-${value === null ? 'n' : num(value) % 3}`
    }),
  split: (recording, played) => {
    const both = { null: (value: unknown) => value === null, even: isEven }
    const all = { ...both, three: (value: unknown) => num(value) % 3 === 0, rest: () => true }
    const named: Record<string, (value: unknown) => boolean> = recording.topology.default === true ? all : both
    const parted = Object.entries(played.stream().split(branches('br', named)))
    for (const [branch, stream] of parted) played.to(stream, `out-${branch}`)
  },
  cogroup: (recording, played) => {
    const first = { initialize: () => 1, add: fold31, ...storedAs(recording) }
    const second = (aggregate: number, value: unknown) => (aggregate * 37 + num(value) + 1) % 1_000_003
    played.to(played.stream('a').process(cogroup('S', first, cogrouped(played.stream('b'), second))))
  },
}

const withStreamTime: ProcessorSupplier<string | null, unknown, string | null, unknown> = {
  name: 'time',
  operator: 'time',
  create: () => ({
    process: (record, context) => context.forward(withValue(record, `${record.value}@${context.streamTime}`)),
  }),
}
