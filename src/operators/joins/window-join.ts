import type { StreamRecord } from '../../record.ts'
import type { Serde } from '../../serde.ts'
import type { WindowStore } from '../../state/store.ts'
import type { Processor, ProcessorContext } from '../../topology/processor.ts'
import type { Stream } from '../../topology/stream.ts'
import type { FromSide, Side } from './side.ts'

/** A join of two streams. The types of the operators have been checked: values of both sides meet in one node, where they are anything. */
export interface StreamJoin {
  readonly name: string
  readonly operator: string
  readonly kind: 'inner' | 'left' | 'outer'
  readonly other: Stream<never, unknown>
  readonly joiner: (left: unknown, right: unknown, key: unknown) => unknown
  readonly within: { readonly beforeMs: number; readonly afterMs: number; readonly graceMs: number }
  readonly key?: Serde<unknown>
  readonly left?: Serde<unknown>
  readonly right?: Serde<unknown>
  readonly storage?: 'level' | 'memory'
}

type Context = ProcessorContext<unknown, unknown>
/** What came at one time under one key, in the order in which it came. */
type Kept = WindowStore<unknown, readonly unknown[]>
type Unmatched = WindowStore<FromSide<unknown>, readonly FromSide<unknown>[]>
type Sided = StreamRecord<unknown, FromSide<unknown>>

const others = { left: 'right', right: 'left' } as const

/**
 * Joins two streams in one task. After `KStreamKStreamJoin` of Kafka Streams, with the fix of spurious results (KIP-633): a record
 * without a match waits until its window is closed.
 */
export class WindowJoin implements Processor<unknown, FromSide<unknown>, unknown, unknown> {
  readonly #join: StreamJoin
  #streamTime = -1
  /** The last time that was seen waiting, or came to wait since; before the first look, and after a restart, any may wait. */
  #waitingMs = Number.NEGATIVE_INFINITY

  constructor(join: StreamJoin) {
    this.#join = join
  }

  process(record: Sided, context: Context): void {
    const { key, value: from, timestamp } = record
    if (from === null) return
    const { side, value } = from
    const [own, other] = [this.#kept(side, context), this.#kept(others[side], context)]
    this.#streamTime = Math.max(this.#streamTime, own.observedMs, other.observedMs, timestamp)
    if (key === null && value !== null && this.#standsAlone(side)) this.#sendAlone(record, from, context)
    else if (key === null) context.drop('null_key')
    else if (value === null) {
      context.drop('null_value')
      remember(own, record, [], context)
    } else {
      this.#match(record, from, other, context)
      remember(own, record, [value], context)
    }
  }

  #match(record: Sided, from: FromSide<unknown>, other: Kept, context: Context): void {
    const { key, timestamp } = record
    const { side, value } = from
    if (timestamp === this.#streamTime) this.#sendExpired(record, side, context)
    const toMs = timestamp + this.#aheadMs(side)
    const found = other.fetchRange(key, timestamp - this.#aheadMs(others[side]), toMs)
    for (const { startMs, value: values } of found) {
      this.#unmatched(context)?.put({ side: others[side], value: key }, startMs, null, startMs)
      for (const match of values) {
        const joined = this.#joined({ [side]: value, [others[side]]: match }, key)
        context.forward({ ...record, timestamp: Math.max(timestamp, startMs), value: joined })
      }
    }
    if (found.length > 0 || !this.#standsAlone(side)) return
    if (toMs < this.#streamTime) this.#sendAlone(record, from, context)
    else this.#wait(record, from, context)
  }

  #wait({ key, timestamp }: Sided, from: FromSide<unknown>, context: Context): void {
    const unmatched = this.#unmatched(context)
    const place = { side: from.side, value: key }
    const before = unmatched?.fetch(place, timestamp)?.value ?? []
    unmatched?.put(place, timestamp, [...before, from], timestamp)
    this.#waitingMs = Math.min(this.#waitingMs, timestamp)
  }

  /**
   * What can find no match any more, in the order of time; at one time the right side first, then by key. As in Kafka Streams it is looked
   * for only when what was last seen waiting may have expired.
   */
  #sendExpired(record: Sided, side: Side, context: Context): void {
    const unmatched = this.#unmatched(context)
    if (!unmatched || this.#isOpen(side, this.#waitingMs)) return
    this.#waitingMs = Number.POSITIVE_INFINITY
    const open = new Set<Side>()
    for (const [place, { startMs, value }] of unmatched.between(0, this.#streamTime)) {
      this.#waitingMs = startMs
      if (open.size === 2) return
      if (this.#isOpen(place.side, startMs)) open.add(place.side)
      else {
        for (const from of value) this.#sendAlone({ ...record, key: place.value, timestamp: startMs }, from, context)
        unmatched.put(place, startMs, null, startMs)
      }
    }
  }

  /** A record of that side and time may still find a match. */
  #isOpen(side: Side, timestamp: number): boolean {
    return timestamp + this.#aheadMs(side) + this.#join.within.graceMs >= this.#streamTime
  }

  #sendAlone(record: Sided, { side, value }: FromSide<unknown>, context: Context): void {
    context.forward({ ...record, value: this.#joined({ [side]: value }, record.key) })
  }

  #joined({ left = null, right = null }: Partial<Record<Side, unknown>>, key: unknown): unknown {
    return this.#join.joiner(left, right, key)
  }

  /** How far ahead in time of a record of that side its matches may be. */
  #aheadMs(side: Side): number {
    const { beforeMs, afterMs } = this.#join.within
    return side === 'left' ? afterMs : beforeMs
  }

  /** A record of that side comes out though nothing matches it. */
  #standsAlone(side: Side): boolean {
    return this.#join.kind === 'outer' || (this.#join.kind === 'left' && side === 'left')
  }

  #kept(side: Side, context: Context): Kept {
    return context.store(`${this.#join.name}-${side}`)
  }

  #unmatched(context: Context): Unmatched | undefined {
    return this.#join.kind === 'inner' ? undefined : context.store(`${this.#join.name}-unmatched`)
  }
}

/** Time moves on with values that are null, too. What is too late for the store is counted. */
function remember(kept: Kept, { key, timestamp }: Sided, added: readonly unknown[], context: Context): void {
  const values = [...(kept.fetch(key, timestamp)?.value ?? []), ...added]
  if (!kept.put(key, timestamp, values.length > 0 ? values : null, timestamp)) context.drop('late')
}
