import { withValue } from '../../record.ts'
import { msgpack, type Serde, textKeys } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { Stream } from '../../topology/stream.ts'
import type { Windowed } from '../../windowed.ts'
import type { Merger } from './aggregate.ts'
import {
  type Aggregation,
  type AnyGrouping,
  aggregation,
  type GroupedBy,
  type GroupedByKey,
  type InWindows,
  regrouping,
} from './grouping.ts'
import type { Windows } from './windows.ts'

/** What the values of the first stream of a `cogroup` do. Aggregates are values: return a new one, and leave the old one as it is. */
export interface Cogroup<K, V, A> {
  /** What a key, or a window, begins with. */
  readonly initialize: () => A
  /** Null deletes the aggregate. */
  readonly add: (aggregate: A, value: V, key: K) => A | null
  /** Serde of the aggregates in the store; default MessagePack, for plain data. */
  readonly value?: Serde<A>
}

/** A further stream of a `cogroup`, and what its values do; `cogrouped` makes it. */
export interface Cogrouped<K, A> {
  /** Its node. */
  readonly stream: string
  readonly add: (aggregate: A, value: never, key: K) => A | null
  readonly grouping: AnyRegrouping
}

interface AnyMember {
  readonly add: (aggregate: never, value: never, key: never) => unknown
  readonly grouping: AnyRegrouping
}

/** How a stream comes to the key of the groups: as `by` of an aggregation. */
export type CogroupedBy<K, V, G> = Pick<GroupedBy<K, V, G, undefined>, 'by' | 'input' | 'partitions'>

type AnyRegrouping = Pick<AnyGrouping, 'by' | 'input' | 'partitions'>

/**
 * A further stream for `cogroup`, and what its values do to the aggregate. Without `by` its keys are those of the groups.
 *
 * @example
 * cogrouped(payments, (customer, payment) => ({ ...customer, paid: customer.paid + payment.amount }))
 */
export function cogrouped<K, V, A>(
  stream: Stream<K | null, V>,
  add: (aggregate: A, value: V, key: K) => A | null,
): Cogrouped<K, A>
export function cogrouped<K, V, G, A>(
  stream: Stream<K, V>,
  add: (aggregate: A, value: V, key: G) => A | null,
  grouping: CogroupedBy<K, V, G>,
): Cogrouped<G, A>
export function cogrouped(
  { name }: Stream<never, never>,
  add: Cogrouped<unknown, unknown>['add'],
  grouping: AnyRegrouping = {},
): Cogrouped<unknown, unknown> {
  return { stream: name, add, grouping }
}

/**
 * Aggregates the values of several streams in one store `name`, each in its own way: what `aggregate` does for one. Every record sends the new
 * aggregate on. Null values are dropped and counted, also with windows. The topics have equally many partitions, or `by` makes them so.
 *
 * @example
 * const customers = orders.toTable(
 *   cogroup(
 *     'customers',
 *     { initialize: () => ({ orders: 0, paid: 0 }), add: (customer) => ({ ...customer, orders: customer.orders + 1 }) },
 *     cogrouped(payments, (customer, payment) => ({ ...customer, paid: customer.paid + payment.amount })),
 *   ),
 * )
 */
export function cogroup<K, V, A>(
  name: string,
  options: Cogroup<K, V, A> & GroupedByKey<K, undefined> & Merger<K, A, undefined>,
  ...others: readonly Cogrouped<K, A>[]
): Aggregation<K | null, V, K, A>
export function cogroup<K, V, G, A>(
  name: string,
  options: Cogroup<G, V, A> & GroupedBy<K, V, G, undefined> & Merger<G, A, undefined>,
  ...others: readonly Cogrouped<G, A>[]
): Aggregation<K, V, G, A>
export function cogroup<K, V, A, W extends Windows>(
  name: string,
  options: Cogroup<K, V, A> & GroupedByKey<K, W> & InWindows<W> & Merger<K, A, W>,
  ...others: readonly Cogrouped<K, A>[]
): ProcessorSupplier<K | null, V, Windowed<K>, A>
export function cogroup<K, V, G, A, W extends Windows>(
  name: string,
  options: Cogroup<G, V, A> & GroupedBy<K, V, G, W> & InWindows<W> & Merger<G, A, W>,
  ...others: readonly Cogrouped<G, A>[]
): ProcessorSupplier<K, V, Windowed<G>, A>
export function cogroup(
  name: string,
  options: AnyGrouping & AnyCogroup,
  ...others: readonly Cogrouped<unknown, unknown>[]
): object {
  const { initialize, merge, value = msgpack<unknown>(), by: _, ...grouping } = options
  const of = (node: string, topic: string, member: AnyMember) =>
    changes({ node, topic, key: grouping.key ?? textKeys<unknown>(), ...member })
  const node = {
    name,
    operator: 'cogroup',
    precededBy: of(`${name}-own`, name, { add: options.add, grouping: options }),
    inputs: others.map(({ stream, ...member }) => ({
      name: stream,
      through: of(`${name}-${stream}`, `${name}-${stream}`, member),
    })),
  }
  return aggregation(node, grouping, {
    value,
    create: initialize,
    add: (before, change) => (change as AggregateChange)(before),
    merge: (before, next, key) => (merge ? merge(before as never, next as never, key as never) : next),
  })
}

interface AnyCogroup extends Pick<AnyMember, 'add'> {
  readonly initialize: () => unknown
  readonly merge?: ((aggregate: never, next: never, key: never) => unknown) | undefined
  readonly value?: Serde<unknown>
}

/** What a value does to the aggregate of its key. */
type AggregateChange = (before: unknown) => unknown

interface ChangesOptions extends AnyMember {
  readonly node: string
  /** Of the repartition topic, where there is one. */
  readonly topic: string
  readonly key: Serde<unknown>
}

/** Makes of each value of a stream what it does to the aggregate, behind the step that changes its key. */
function changes({
  node,
  topic,
  key: keys,
  add,
  grouping,
}: ChangesOptions): ProcessorSupplier<unknown, unknown, unknown, AggregateChange> {
  return {
    name: node,
    operator: 'cogrouped',
    ...(grouping.by && { precededBy: regrouping(topic, keys, grouping.by, grouping) }),
    create: () => ({
      process(record, context) {
        const { key, value } = record
        if (key === null) return context.drop('null_key')
        if (value === null) return context.drop('null_value')
        const change: AggregateChange = (before) => add(before as never, value as never, key as never)
        context.forward(withValue(record, change))
      },
    }),
  }
}
