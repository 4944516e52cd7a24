import { packed, packOptional, unpackOptional } from '../../packed-serde.ts'
import { type Headers, noHeaders, type StreamRecord } from '../../record.ts'
import { bytes, type Serde } from '../../serde.ts'
import type { WindowEntry, WindowStore, WindowStoreSpec } from '../../state/store.ts'
import type { StoreAccess } from '../../topology/table.ts'
import { type BufferBounds, BufferFill } from './buffer-fill.ts'

export interface BufferOptions<K, V> {
  /** Of the store, and of its node. */
  readonly name: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly storage: 'level' | 'memory'
  /** Default: none. */
  readonly bounds?: BufferBounds | undefined
  /** How long a record waits from its place in time on. */
  readonly waitMs: number
}

/** A record that waits, and the value of its key that has gone out last. */
export interface Waiting<K, V> extends StreamRecord<K, V> {
  readonly before: V | null
}

/** What is stored of it under its key and time. */
type Held<V> = Pick<Waiting<unknown, V>, 'value' | 'before' | 'headers'>
type Row<V> = WindowEntry<Held<V>>
type Rows<V> = WindowStore<Uint8Array, Held<V>>

/** After every other place: the row whose timestamp is the time of the buffer, once nothing that waits has it. */
const clock = {
  placeMs: Number.MAX_SAFE_INTEGER,
  key: new Uint8Array(),
  row: { value: null, before: null, headers: noHeaders },
}

/**
 * At most one record a key, in the order of their places in time, then of the bytes of the keys; a record takes the place of the one that
 * waits under its key. Time is the largest of all records that came, and survives a restart. After `InMemoryTimeOrderedKeyValueChangeBuffer`
 * of Kafka Streams, on a store that need not be in memory.
 */
export class TimeOrderedBuffer<K, V> {
  readonly #options: BufferOptions<K, V>
  readonly #held: Serde<Held<V>>
  #fill: BufferFill | undefined

  constructor(options: BufferOptions<K, V>) {
    this.#options = options
    this.#held = heldSerde(options.value)
  }

  get store(): WindowStoreSpec<Uint8Array, Held<V>> {
    const { name, storage } = this.#options
    const retentionMs = Number.POSITIVE_INFINITY
    return { kind: 'window', name, key: bytes, value: this.#held, storage, retentionMs, queryable: false }
  }

  /** `before` is asked when nothing waits under the key. */
  put(record: StreamRecord<K, V>, placeMs: number, before: () => V | null, context: StoreAccess): void {
    const { key, rows, old } = this.#find(record, context)
    const value = { value: record.value, before: old ? old.value.before : before(), headers: record.headers }
    this.#write(rows, key, old, { startMs: old?.startMs ?? placeMs, value, timestamp: record.timestamp })
  }

  /** Nothing waits under the key of the record any more. */
  remove(record: StreamRecord<K, V>, context: StoreAccess): void {
    const { key, rows, old } = this.#find(record, context)
    if (record.timestamp > rows.observedMs) keepTime(rows, record.timestamp)
    if (old) this.#write(rows, key, old, undefined)
  }

  /** Takes out what has waited long enough, then what is too much, each in order. Throws BUFFER_FULL. */
  *due(context: StoreAccess): Generator<Waiting<K, V>> {
    const rows = this.#rows(context)
    yield* this.#taken(rows, rows.observedMs - this.#options.waitMs, () => true)
    const fill = this.#counted(rows)
    if (!fill?.isOver) return
    fill.requireEarly(this.#options.name)
    yield* this.#taken(rows, clock.placeMs - 1, () => fill.isOver)
  }

  /** The value of a key that has gone out last; undefined when nothing waits under the key. */
  before(key: K, context: StoreAccess): Pick<Waiting<K, V>, 'before'> | undefined {
    return waitingAt(this.#options.key.serialize(key), this.#rows(context))?.value
  }

  #rows(context: StoreAccess): Rows<V> {
    return context.store(this.#options.name)
  }

  #find({ key }: StreamRecord<K, V>, context: StoreAccess) {
    const rows = this.#rows(context)
    const keyBytes = this.#options.key.serialize(key)
    return { key: keyBytes, rows, old: waitingAt(keyBytes, rows) }
  }

  *#taken(rows: Rows<V>, toMs: number, goesOn: () => boolean): Generator<Waiting<K, V>> {
    for (const [key, row] of rows.between(0, toMs)) {
      if (!goesOn()) return
      this.#write(rows, key, row, undefined)
      yield { key: this.#options.key.deserialize(key), timestamp: row.timestamp, ...row.value }
    }
  }

  #write(rows: Rows<V>, key: Uint8Array, old: Row<V> | undefined, next: Row<V> | undefined): void {
    const fill = this.#counted(rows)
    if (next) rows.put(key, next.startMs, next.value, next.timestamp)
    else if (old) rows.put(key, old.startMs, null, old.timestamp)
    if (next) fill?.add(() => this.#sizeOf(key, next))
    if (old) fill?.remove(() => this.#sizeOf(key, old))
    if (old?.timestamp === rows.observedMs && next?.timestamp !== rows.observedMs) keepTime(rows, rows.observedMs)
  }

  /** What waits already when the task begins is counted once; undefined without bounds. */
  #counted(rows: Rows<V>): BufferFill | undefined {
    if (this.#fill || !this.#options.bounds) return this.#fill
    this.#fill = new BufferFill(this.#options.bounds)
    for (const [key, row] of rows.all()) {
      if (row.startMs !== clock.placeMs) this.#fill.add(() => this.#sizeOf(key, row))
    }
    return this.#fill
  }

  #sizeOf(key: Uint8Array, row: Row<V>): number {
    return key.length + this.#held.serialize(row.value).length
  }
}

function waitingAt<V>(key: Uint8Array, rows: Rows<V>): Row<V> | undefined {
  return rows.fetchRange(key, 0, clock.placeMs - 1)[0]
}

/** No other row has that timestamp any more, or may have. */
function keepTime<V>(rows: Rows<V>, timestamp: number): void {
  rows.put(clock.key, clock.placeMs, clock.row, timestamp)
}

type Packed = readonly [value: Uint8Array | null, before: Uint8Array | null, headers: Headers]

function heldSerde<V>(value: Serde<V>): Serde<Held<V>> {
  return packed(
    `held(${value.name})`,
    (held): Packed => [packOptional(held.value, value), packOptional(held.before, value), held.headers],
    ([now, before, headers]) => ({
      value: unpackOptional(now, value),
      before: unpackOptional(before, value),
      headers,
    }),
  )
}
