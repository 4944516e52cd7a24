import { StreamError } from '../../errors.ts'
import type { Serde } from '../../serde.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import type { Stream } from '../../topology/stream.ts'
import { joinInWindow } from './records-in-window.ts'
import type { StreamJoin } from './window-join.ts'

/** How far apart in time two records may be: the other one lies within `beforeMs` before this one and `afterMs` after it, both included. */
export interface JoinWindow {
  readonly beforeMs: number
  readonly afterMs: number
  /** How long records that come late are waited for, in stream time of the join; default 0. */
  readonly graceMs?: number
}

/** Where the records of both sides are kept while they can still find a match. */
export interface JoinedWithin<K, L, R> {
  readonly within: JoinWindow
  /** Serde of the keys; default UTF-8 text, for keys that are strings. */
  readonly key?: Serde<K>
  /** Serde of the values of this stream; default MessagePack, for plain data. */
  readonly left?: Serde<L>
  /** Serde of the values of the other stream; default MessagePack, for plain data. */
  readonly right?: Serde<R>
  /** Default `level`. */
  readonly storage?: 'level' | 'memory'
}

/**
 * Joins each record with those of another stream that have its key and lie within a stretch of time around it. Each pair comes out once,
 * with the later of both times, when the second one comes. Kafka Streams: `join` with `JoinWindows.ofTimeDifferenceAndGrace`.
 *
 * Records without key or value are dropped and counted. One that is so late that its side has forgotten its time counts as dropped
 * (`late`) and is joined with what is still there. Topics whose keys meet must have equal partition counts: TOPIC_MISMATCH at the start.
 * A window with a negative bound is CONFIG_INVALID.
 *
 * @example
 * orders.process(joinStream('paid', payments, (order, payment) => ({ ...order, ...payment }), {
 *   within: { beforeMs: 0, afterMs: 3_600_000, graceMs: 60_000 },
 * }))
 */
export function joinStream<K, L, KR extends NoInfer<K> | null, R, VOut>(
  name: string,
  other: Stream<KR, R>,
  joiner: (left: L, right: R, key: K) => VOut,
  options: JoinedWithin<NoInfer<K>, L, R>,
): ProcessorSupplier<K | null, L, K, VOut> {
  return joining({ name, operator: 'joinStream', kind: 'inner' }, { other, joiner, ...options })
}

/**
 * As `joinStream`, and a record of this stream that finds no match comes out with null for the other side: when a record moves the time of
 * the join past its window and grace, or at once when it comes after the end of its window. One without a key comes out at once.
 *
 * A record that came out alone because it was late may find a match afterwards, and comes out again.
 *
 * @example
 * orders.process(leftJoinStream('maybe-paid', payments, (order, payment) => ({ ...order, isPaid: payment !== null }), {
 *   within: { beforeMs: 0, afterMs: 3_600_000 },
 * }))
 */
export function leftJoinStream<K, L, KR extends NoInfer<K> | null, R, VOut>(
  name: string,
  other: Stream<KR, R>,
  joiner: (left: L, right: R | null, key: K) => VOut,
  options: JoinedWithin<NonNullable<NoInfer<K>>, L, R>,
): ProcessorSupplier<K, L, K, VOut> {
  return joining({ name, operator: 'leftJoinStream', kind: 'left' }, { other, joiner, ...options })
}

/**
 * As `leftJoinStream`, for the records of both streams.
 *
 * @example
 * orders.process(outerJoinStream('both', payments, (order, payment) => ({ order, payment }), {
 *   within: { beforeMs: 600_000, afterMs: 3_600_000 },
 * }))
 */
export function outerJoinStream<K, L, KR extends NoInfer<K> | null, R, VOut>(
  name: string,
  other: Stream<KR, R>,
  joiner: (left: L | null, right: R | null, key: K | KR) => VOut,
  options: JoinedWithin<NonNullable<NoInfer<K>>, L, R>,
): ProcessorSupplier<K, L, K | KR, VOut> {
  return joining({ name, operator: 'outerJoinStream', kind: 'outer' }, { other, joiner, ...options })
}

function joining(
  node: Pick<StreamJoin, 'name' | 'operator' | 'kind'>,
  sides: { readonly other: unknown; readonly joiner: unknown; readonly within: JoinWindow },
): never {
  const { beforeMs, afterMs, graceMs = 0 } = sides.within
  for (const [bound, ms] of Object.entries({ beforeMs, afterMs, graceMs })) {
    if (Number.isSafeInteger(ms) && ms >= 0) continue
    const fix = 'Give whole milliseconds, 0 or more.'
    throw new StreamError('CONFIG_INVALID', `${bound} of join "${node.name}" is ${ms}`, { fix })
  }
  return joinInWindow({ ...node, ...sides, within: { beforeMs, afterMs, graceMs } } as StreamJoin) as never
}
