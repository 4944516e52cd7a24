import { StreamError } from '../../errors.ts'
import { withKeyValue } from '../../record.ts'
import { msgpack, type Serde, textKeys } from '../../serde.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { Processor, ProcessorSupplier } from '../../topology/processor.ts'
import type { TableMaker } from '../../topology/stream.ts'
import { changeBetween, storedRows } from '../../topology/table.ts'
import { type Caching, sendUpdates } from '../../topology/updates.ts'
import { sessionWindowed } from '../../windowed.ts'
import { aggregateByKey } from './by-key.ts'
import { aggregateBySession } from './by-session.ts'
import { aggregateBySlidingWindow } from './by-sliding-window.ts'
import { aggregateByTimeWindow } from './by-time-window.ts'
import type { Emit } from './emit.ts'
import type { Fold } from './fold.ts'
import { type ClosingWindows, describeWindows, type SlidingWindows, type Windows } from './windows.ts'

/** Where aggregates are kept, and over which stretches of time; by the key of the records. */
export interface GroupedByKey<K, W> extends Caching {
  /** Serde of the key in the store; default UTF-8 text, for keys that are strings. */
  readonly key?: Serde<K>
  /** Default: one aggregate a key, for ever. */
  readonly window?: W
  /** With a window: every update, or, without `caching`, one result when nothing can change it any more. Default `update`. */
  readonly emit?: W extends ClosingWindows ? Emit : 'update'
  /** Default `level`. */
  readonly storage?: 'level' | 'memory'
  readonly by?: undefined
}

/** As `GroupedByKey`, under another key: records travel through the topic `<application>-<name>-repartition` first. */
export interface GroupedBy<K, V, G, W> extends Omit<GroupedByKey<G, W>, 'by'> {
  /** The new key. A record whose new key is null is left out and not counted. Sees null values. */
  readonly by: (value: V | null, key: K) => G | null
  /** Serde of the values on their way; default MessagePack, for plain data. */
  readonly input?: Serde<V>
  /** Of the repartition topic; default: the largest partition count of the topics that feed it. */
  readonly partitions?: number
}

/** For a grouping with windows. */
export interface InWindows<W> {
  readonly window: W
}

/** Null values reach the aggregates of windows that do not slide; others drop them. */
export type GroupValue<V, W> = W extends Exclude<Windows, SlidingWindows> ? V | null : V

/** A grouping whose types the operator has checked. */
export interface AnyGrouping extends Caching {
  readonly key?: Serde<unknown>
  readonly window?: Windows | undefined
  readonly emit?: Emit
  readonly storage?: 'level' | 'memory'
  readonly by?: ((value: never, key: never) => unknown) | undefined
  readonly input?: Serde<unknown>
  readonly partitions?: number
}

/** An aggregation without windows: for a stream, or with its results as a table. */
export type Aggregation<K, V, G, A> = ProcessorSupplier<K, V, G, A> & TableMaker<K, V, G, A>

/** Fits wherever an aggregation is wanted: the operators say what goes in and comes out. */
export type CheckedAggregation = ProcessorSupplier<unknown, unknown, never, never> &
  TableMaker<unknown, unknown, never, never>

/** Its name and operator, and what comes into it beside the stream that it stands behind. */
export type AggregationNode = Pick<
  ProcessorSupplier<unknown, unknown, unknown, unknown>,
  'name' | 'operator' | 'precededBy' | 'inputs'
>

/** The node, and the one before it that changes the key. Throws CONFIG_INVALID for options that do not go together. */
export function aggregation(
  node: AggregationNode,
  grouping: AnyGrouping,
  fold: Fold<unknown, unknown, unknown>,
): CheckedAggregation {
  const key = grouping.key ?? textKeys<unknown>()
  const { name } = node
  if (grouping.caching && grouping.emit === 'window-close') {
    const fact = `step "${name}" sends each window once, when it closes, so it has no updates to hold back`
    throw new StreamError('CONFIG_INVALID', fact, { fix: 'Leave out `caching`.' })
  }
  const place = {
    ...node,
    caching: grouping.caching,
    stores: [storeOf(name, key, grouping, fold)],
    ...(grouping.by && { precededBy: regrouping(name, key, grouping.by, grouping) }),
  }
  const checked: Aggregation<unknown, unknown, unknown, unknown> = {
    ...place,
    create: () => processorOf({ store: name, key, fold }, grouping),
    onStream: (stream) => {
      const send = sendUpdates(changeBetween, grouping.caching ? { key, value: fold.value } : undefined)
      return stream.derive({ ...place, create: () => aggregateByKey(name, fold, send) }, storedRows(name, key))
    },
  }
  return checked as CheckedAggregation
}

function storeOf(
  name: string,
  key: Serde<unknown>,
  { window, emit, storage = 'level' }: AnyGrouping,
  { value }: Fold<unknown, unknown, unknown>,
): StoreSpec {
  const base = { name, key, value, storage }
  if (!window) return { kind: 'timestamped-key-value', ...base }
  // What includes its end closes a moment after the store may forget it: one that still has to go out is kept as long.
  const lastMs = emit === 'window-close' ? 1 : 0
  const windowed = { ...base, windows: describeWindows(window) }
  if (window.kind === 'session')
    return { kind: 'session', ...windowed, retentionMs: window.gapMs + window.graceMs + lastMs }
  if (window.kind === 'sliding')
    return { kind: 'window', ...windowed, retentionMs: Math.max(1, 2 * window.differenceMs + window.graceMs + lastMs) }
  return { kind: 'window', ...windowed, retentionMs: window.sizeMs + window.graceMs }
}

interface Aggregates {
  readonly store: string
  readonly key: Serde<unknown>
  readonly fold: Fold<unknown, unknown, unknown>
}

function processorOf(
  { store, key, fold }: Aggregates,
  { window, emit = 'update', caching = false }: AnyGrouping,
): Processor<unknown, unknown, unknown, unknown> {
  const { value } = fold
  const itself = (after: unknown): unknown => after
  if (!window) return aggregateByKey(store, fold, sendUpdates(itself, caching ? { key, value } : undefined))
  const send = sendUpdates(itself, caching ? { key: sessionWindowed(key), value } : undefined)
  if (window.kind === 'session') return aggregateBySession({ store, windows: window, fold, emit, send })
  if (window.kind === 'sliding') return aggregateBySlidingWindow(store, window, fold, { emit, send })
  return aggregateByTimeWindow(store, window, fold, { emit, send })
}

/** Changes the key, and sends the record to where the records of that key meet. */
export function regrouping(
  name: string,
  key: Serde<unknown>,
  by: (value: never, key: never) => unknown,
  { input = msgpack<unknown>(), partitions }: AnyGrouping,
): ProcessorSupplier<unknown, unknown, unknown, unknown> {
  return {
    name: `${name}-by`,
    operator: 'groupBy',
    changesKey: true,
    repartition: { name, key, value: input, ...(partitions !== undefined && { partitions }) },
    create: () => ({
      process(record, context) {
        const group = by(record.value as never, record.key as never)
        if (group !== null) context.forward(withKeyValue(record, group, record.value))
      },
    }),
  }
}
