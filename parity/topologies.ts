import {
  aggregate,
  type ClosingWindows,
  count,
  filter,
  filterNot,
  flatMap,
  flatMapValues,
  hopping,
  type KeyValue,
  map,
  mapValues,
  merge,
  reduce,
  repartition,
  selectKey,
  session,
  sliding,
  suppress,
  type TimeWindows,
  tumbling,
} from '../src/operators/index.ts'
import { string } from '../src/serde.ts'
import type { ProcessorSupplier } from '../src/topology/processor.ts'
import { skipInvalidTimestamp, usePartitionTime } from '../src/topology/timestamps.ts'
import { dslTopologies } from './dsl-topologies.ts'
import { errorTopologies } from './error-topologies.ts'
import { fold31, foldAny, isEven, merge41, num } from './functions.ts'
import { globalTopologies } from './global-topologies.ts'
import { joinTopologies } from './join-topologies.ts'
import { namedTopology } from './naming-topologies.ts'
import { anyJson, onlyWithValue, type PlayedTopology, severalOf } from './played-topology.ts'
import { processorTopologies } from './processor-topologies.ts'
import { numberOf, type Recording } from './recording.ts'
import { storedAs, tableTopologies } from './table-topologies.ts'
import { versionedTopologies } from './versioned-topologies.ts'

type Builder = (recording: Recording, played: PlayedTopology) => void

/** For each operator of the recordings, the same topology in our words. What is not here is not built. */
const topologies: Readonly<Record<string, Builder>> = {
  ...dslTopologies,
  ...joinTopologies,
  ...tableTopologies,
  ...versionedTopologies,
  ...processorTopologies,
  ...errorTopologies,
  ...globalTopologies,
  filter: (_, played) => played.to(played.stream().process(filter('even', isEven))),
  filterNot: (_, played) => played.to(played.stream().process(filterNot('odd', isEven))),
  map: (_, played) =>
    played.to(
      played
        .stream()
        .process(
          map(
            'map',
            (key, value): KeyValue<string | null, unknown> =>
              value === null ? [key, 'none'] : [`k${num(value) % 3}`, num(value) + 1],
          ),
        ),
    ),
  mapValues: (_, played) =>
    played.to(
      played
        .stream()
        .process(mapValues('map', (value, key) => (value === 50 ? null : num(value) * 10 + (key === null ? 1 : 0)))),
    ),
  flatMap: (_, played) =>
    played.to(
      played
        .stream()
        .process(
          flatMap('flat', (key, value) =>
            Array.from(
              { length: value === null ? 0 : num(value) % 4 },
              (__, index) => [`${key}-${index}`, num(value) + index] as const,
            ),
          ),
        ),
    ),
  flatMapValues: (_, played) =>
    played.to(
      played
        .stream()
        .process(
          flatMapValues('flat', (value) =>
            Array.from({ length: (num(value) % 3) + 1 }, (__, index) => num(value) + index),
          ),
        ),
    ),
  selectKey: (_, played) =>
    played.to(played.stream().process(selectKey('select', (value) => (value === null ? null : `s${num(value) % 5}`)))),
  repartition: (_, played) =>
    played.to(
      played
        .stream()
        .process(flatMap('select', (__, value) => (value === null ? [] : [[`s${num(value) % 3}`, value] as const])))
        .process(repartition('r', { key: string, value: anyJson, partitions: 1 })),
    ),
  merge: (_, played) => {
    const b = played.stream('b').process(mapValues('b-values', (value) => `B${value}`))
    played.to(
      played
        .stream('a')
        .process(mapValues('a-values', (value) => `A${value}`))
        .process(merge('both', b)),
    )
  },
  count: (_, played) => played.to(played.stream().process(count('S', storedAs(_)))),
  negativeTimestamp: (_, played) => played.to(played.stream().process(count('S', storedAs(_)))),
  reduce: (recording, played) => played.to(played.stream().process(reduce('S', foldAny, storedAs(recording)))),
  aggregate: (recording, played) =>
    played.to(played.stream().process(aggregate('S', { initialize: () => 7, add: fold31, ...storedAs(recording) }))),
  aggregateDelete: (recording, played) =>
    played.to(
      played.stream().process(
        aggregate('S', {
          initialize: () => 7,
          add: (before, value) => (num(value) % 10 === 0 ? null : fold31(before, value)),
          ...storedAs(recording),
        }),
      ),
    ),
  flatMapCount: (recording, played) =>
    played.to(
      played
        .stream()
        .process(
          severalOf('flat', (value) =>
            [0, 1, 2].slice(0, value === null ? 0 : (num(value) % 3) + 1).map((step) => num(value) + step),
          ),
        )
        .process(count('S', storedAs(recording))),
    ),
  groupByRepartition: (recording, played) => {
    const stream = played.stream()
    const byValue = (value: unknown) => (value === null ? null : `g${num(value) % 4}`)
    if (recording.topology.words?.includes('-> groupBy('))
      played.to(stream.process(count('S', { by: byValue, ...storedAs(recording) })))
    else {
      const by = (value: unknown, key: string | null) => (value === null ? key : `s${num(value) % 3}`)
      played.to(
        stream.process(
          reduce('S', foldAny, {
            by,
            input: anyJson,
            ...storedAs(recording),
          }),
        ),
      )
    }
  },
  timestampExtractor: playExtractor,
  tumblingWindow: playTimeWindow,
  hoppingWindow: playTimeWindow,
  slidingWindow: (recording, played) => {
    const differenceMs = numberOf(recording, 'timeDifferenceMs')
    const window = sliding({ differenceMs, graceMs: numberOf(recording, 'graceMs') })
    const stream = played.stream()
    played.toWindowed(
      recording.topology.agg === 'count'
        ? stream.process(count('S', { window, ...storedAs(recording) }))
        : stream.process(aggregate('S', { window, initialize: () => 7, add: fold31, ...storedAs(recording) })),
      differenceMs,
    )
  },
  sessionWindow: (recording, played) => {
    const window = session({ gapMs: numberOf(recording, 'gapMs'), graceMs: numberOf(recording, 'graceMs') })
    const { agg } = recording.topology
    const stream = played.stream()
    if (agg === 'count') played.toWindowed(stream.process(count('S', { window, ...storedAs(recording) })), undefined)
    else if (agg === 'reduce')
      played.toWindowed(stream.process(reduce('S', foldAny, { window, ...storedAs(recording) })), undefined)
    else
      played.toWindowed(
        stream.process(
          aggregate('S', { window, initialize: () => 7, add: fold31, merge: merge41, ...storedAs(recording) }),
        ),
        undefined,
      )
  },
  suppressUntilWindowCloses: (recording, played) => {
    const window = windowOf(recording)
    played.toWindowed(
      played
        .stream()
        .process(count('S', { window, ...storedAs(recording) }))
        .process(suppress('sup', { untilWindowCloses: window })),
      sizeOf(window),
    )
  },
  emitOnWindowClose: (recording, played) => {
    const window = windowOf(recording)
    const { words } = recording.topology
    const stream = played.stream()
    const options = { emit: 'window-close', initialize: () => 7, add: fold31, ...storedAs(recording) } as const
    if (words?.includes('count')) played.toWindowed(stream.process(count('S', { window, ...options })), sizeOf(window))
    else if (window.kind === 'session')
      played.toWindowed(stream.process(aggregate('S', { window, merge: merge41, ...options })), undefined)
    else played.toWindowed(stream.process(aggregate('S', { window, ...options })), sizeOf(window))
  },
  streamTimePerOperator: (recording, played) => {
    const window = windowOf(recording)
    const emit = recording.topology.kind === 'emitFinal' ? 'window-close' : 'update'
    const stream = played.stream()
    const counts = stream
      .process(onlyWithValue('even', isEven))
      .process(count('S', { window, emit, ...storedAs(recording) }))
    played.toWindowed(
      recording.topology.kind === 'suppress' ? counts.process(suppress('sup', { untilWindowCloses: window })) : counts,
      sizeOf(window),
    )
    played.to(stream.process(streamTime), 'st')
  },
  mergeThenWindow: (recording, played) => {
    const window = timeWindows(recording)
    const both = played.stream('a').process(merge('both', played.stream('b')))
    played.toWindowed(both.process(count('S', { window, ...storedAs(recording) })), window.sizeMs)
  },
}

/** The topology of a recording; undefined when it is not built. */
export function builderOf(recording: Recording): Builder | undefined {
  if (recording.op !== 'naming') return topologies[recording.op]
  const build = namedTopology(recording)
  return build && ((_, played) => build(played))
}

function timeWindows(recording: Recording): TimeWindows {
  const sizeMs = numberOf(recording, 'windowSizeMs')
  const graceMs = numberOf(recording, 'graceMs')
  if (recording.op !== 'hoppingWindow') return tumbling({ sizeMs, graceMs })
  return hopping({ sizeMs, advanceMs: numberOf(recording, 'advanceMs'), graceMs })
}

/** Where one parameter says which kind of window it is. */
function windowOf(recording: Recording): ClosingWindows {
  const { window, kind, advanceMs } = recording.topology
  const sizeMs = numberOf(recording, 'sizeMs')
  const graceMs = numberOf(recording, 'graceMs')
  if (window === 'hopping') return hopping({ sizeMs, advanceMs: Number(advanceMs), graceMs })
  if (window === 'sliding' || kind === 'sliding') return sliding({ differenceMs: sizeMs, graceMs })
  if (window === 'session' || kind === 'session') return session({ gapMs: sizeMs, graceMs })
  return tumbling({ sizeMs, graceMs })
}

function sizeOf(window: ClosingWindows): number | undefined {
  if (window.kind === 'session') return undefined
  return window.kind === 'sliding' ? window.differenceMs : window.sizeMs
}

/** Replaces each value by the stream time of the task. */
const streamTime: ProcessorSupplier<string | null, unknown, string | null, unknown> = {
  name: 'stream-time',
  operator: 'streamTime',
  create: () => ({
    process: (record, context) => context.forward({ ...record, value: context.streamTime }),
  }),
}

function playTimeWindow(recording: Recording, played: PlayedTopology): void {
  const window = timeWindows(recording)
  const stream = played.stream()
  played.toWindowed(
    recording.topology.agg === 'count'
      ? stream.process(count('S', { window, ...storedAs(recording) }))
      : stream.process(aggregate('S', { window, initialize: () => 7, add: fold31, ...storedAs(recording) })),
    window.sizeMs,
  )
}

function playExtractor(recording: Recording, played: PlayedTopology): void {
  const { extractor } = recording.topology
  if (String(extractor).startsWith('custom')) {
    const stream = played.stream('in', {
      timestamp: ({ value }, partitionTime) => (value === null ? partitionTime : num(value) * 7),
    })
    const window = timeWindows(recording)
    played.toWindowed(stream.process(count('S', { window, ...storedAs(recording) })), window.sizeMs)
    return
  }
  const stream = played.stream('in', {
    ...(extractor === 'LogAndSkipOnInvalidTimestamp' && { timestamp: skipInvalidTimestamp }),
    ...(extractor === 'UsePartitionTimeOnInvalidTimestamp' && { timestamp: usePartitionTime }),
  })
  played.to(stream.process(count('S', storedAs(recording))))
  played.to(stream, 'out2')
}
