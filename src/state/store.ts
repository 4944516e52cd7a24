import type { Serde } from '../serde.ts'
import type { Windowed } from '../windowed.ts'
import type { Timestamped } from './timestamped.ts'

export type { Timestamped } from './timestamped.ts'

/** A store of one task. Its name is unique in the topology; the changelog topic and the metric label derive from it. */
export interface StateStore {
  readonly name: string
}

/** Bounds of an iteration: `from` and `to` are inclusive, as in Kafka Streams. */
export interface KeyRange<K> {
  readonly from?: K
  readonly to?: K
  readonly reverse?: boolean
  readonly limit?: number
}

export interface ReadOnlyKeyValueStore<K, V> extends StateStore {
  /** Treat the value as immutable: it may be shared with a cache. */
  get(key: K): V | undefined
  /** Entries in the order of the serialized keys. Sees the store as it is when the iteration starts. */
  range(range?: KeyRange<K>): AsyncIterable<readonly [K, V]>
  /** Entries whose serialized key starts with the serialized prefix. */
  prefix(prefix: K): AsyncIterable<readonly [K, V]>
}

/**
 * A keyed store that sees its own writes at once. What is written becomes durable with the generation of the record that wrote it,
 * never earlier.
 */
export interface KeyValueStore<K, V> extends ReadOnlyKeyValueStore<K, V> {
  put(key: K, value: V): void
  delete(key: K): void
}

/**
 * A key-value store that knows its keys in memory, in order, so that a processor before the gate, which waits for nothing, can walk it. Walks
 * give the keys as they are at the call, without those that are deleted meanwhile, and each value as it is when its turn comes.
 */
export interface ScannableStore<K, V> extends KeyValueStore<K, V> {
  /** Entries in the order of the serialized keys. */
  scan(range?: KeyRange<K>): IteratorObject<readonly [K, V]>
  /** Entries whose serialized key starts with the serialized prefix. */
  scanPrefix(prefix: K): IteratorObject<readonly [K, V]>
  /** How many entries there are. */
  readonly size: number
}

/** Values under a key and the start of a window. Reads see only windows within the retention time. */
export interface ReadOnlyWindowStore<K, V> extends StateStore {
  /** The largest timestamp of any value that was put; -1 before the first. It survives a restart. */
  readonly observedMs: number
  fetch(key: K, startMs: number): Timestamped<V> | undefined
  /** Windows of a key that start within the bounds, both included, in the order of their starts. */
  fetchRange(key: K, fromMs: number, toMs: number): readonly WindowEntry<V>[]
  /** Everything, in the order of the serialized keys, then of the starts. */
  all(): Iterable<readonly [key: K, entry: WindowEntry<V>]>
}

export interface WindowStore<K, V> extends ReadOnlyWindowStore<K, V> {
  /**
   * Value null deletes. Windows that start `retentionMs` or more before the latest start are deleted with every put; a put into one is
   * ignored, and false.
   */
  put(key: K, startMs: number, value: V | null, timestamp: number): boolean
  /** Windows of all keys that start within the bounds, both included, in the order of the starts, then of the serialized keys. */
  between(fromMs: number, toMs: number): Iterable<readonly [key: K, entry: WindowEntry<V>]>
}

export interface WindowEntry<V> extends Timestamped<V> {
  readonly startMs: number
}

export interface ReadOnlySessionStore<K, V> extends StateStore {
  /** The largest timestamp of any value that was put; -1 before the first. It survives a restart. */
  readonly observedMs: number
  /** Sessions of a key that end at `earliestEndMs` or later and start at `latestStartMs` or earlier, in the order of their ends. */
  findSessions(key: K, earliestEndMs: number, latestStartMs: number): readonly SessionEntry<K, V>[]
  /** Everything, in the order of the serialized keys, then of the ends. */
  all(): Iterable<SessionEntry<K, V>>
}

export interface SessionStore<K, V> extends ReadOnlySessionStore<K, V> {
  /**
   * Value null deletes. Sessions that end `retentionMs` or more before the latest end are deleted with every put; a put of one is ignored,
   * and false.
   */
  put(session: Windowed<K>, value: V | null, timestamp: number): boolean
  /** Sessions of all keys that end within the bounds, both included, in the order of ends, starts and serialized keys. */
  between(fromMs: number, toMs: number): Iterable<SessionEntry<K, V>>
}

export interface SessionEntry<K, V> extends Timestamped<V> {
  readonly session: Windowed<K>
}

/** The value of a key from `timestamp` on. */
export interface Version<V> extends Timestamped<V> {
  /** When the next version, or a deletion, took its place. Undefined: it is the latest. */
  readonly untilMs?: number
}

/** Values under a key, each with the stretch of time in which it held. */
export interface ReadOnlyVersionedStore<K, V> extends StateStore {
  /** The largest timestamp of any version that was put; -1 before the first. It survives a restart. */
  readonly observedMs: number
  /**
   * The latest version, or the one that held at a time. Undefined where there was none, and for a time more than `historyMs` before
   * `observedMs` unless the latest version is as old.
   */
  get(key: K, asOfMs?: number): Version<V> | undefined
  /** The latest versions, in the order of the serialized keys. Sees the store as it is when the iteration starts. */
  all(): AsyncIterable<readonly [K, Version<V>]>
}

/**
 * What became of a put: it is the latest version of its key, or one that was replaced already, or it is too old for the history and was
 * refused.
 */
export type PutVersion = 'latest' | 'replaced' | 'expired'

export interface VersionedStore<K, V> extends ReadOnlyVersionedStore<K, V> {
  /** Value null: from then on there is none. Takes the place of a version with the same time. */
  put(key: K, value: V | null, timestamp: number): PutVersion
  /** A put of null. The version that held then; undefined where there was none, or the put was refused. */
  delete(key: K, timestamp: number): Version<V> | undefined
}

/** What every kind of store is declared with. */
export interface StoreSpecBase<K, V> {
  readonly name: string
  readonly key: Serde<K>
  readonly value: Serde<V>
  /** `memory` keeps nothing on disk and is restored from the changelog. Default `level`. */
  readonly storage?: 'level' | 'memory'
  /** Default true. Without a changelog the store is lost with its disk. */
  readonly changelog?: boolean
  /**
   * A topic of the user that the store is a copy of: with `changelog: false` it is restored from there, up to the committed offset. What is
   * there has the serdes of the store.
   */
  readonly copyOf?: string
  /** Default true. False: its rows say something to its step only, so that queries do not offer it. */
  readonly queryable?: boolean
}

export interface KeyValueStoreSpec<K, V> extends StoreSpecBase<K, V>, KeyIndexing {
  readonly kind: 'key-value'
}

interface KeyIndexing {
  /** A `ScannableStore`: its keys are in memory too, for about 100 bytes and the key each. Default false. */
  readonly keysInMemory?: boolean
}

/** A `KeyValueStore<K, Timestamped<V>>`; its changelog has the plain value, under the value's timestamp. */
export interface TimestampedKeyValueStoreSpec<K, V> extends StoreSpecBase<K, V>, KeyIndexing {
  readonly kind: 'timestamped-key-value'
  /**
   * How long a value is there after its timestamp, in the stream time of the task. Then it is not read any more, and is deleted with the next
   * write. The keys are in memory with it. Default: for ever.
   */
  readonly ttlMs?: number
}

/**
 * The windows that the rows are values of, in words. For `describe`: where they are others than in the version before, what is stored would be
 * taken for values of the new ones. Default: none are known, the rows stand for themselves.
 */
type WindowsOfRows = string

/** A `WindowStore<K, V>`. */
export interface WindowStoreSpec<K, V> extends StoreSpecBase<K, V> {
  readonly kind: 'window'
  /** How long a window is kept after its start, in stream time. */
  readonly retentionMs: number
  readonly windows?: WindowsOfRows
}

/** A `SessionStore<K, V>`. */
export interface SessionStoreSpec<K, V> extends StoreSpecBase<K, V> {
  readonly kind: 'session'
  /** How long a session is kept after its end, in stream time. */
  readonly retentionMs: number
  readonly windows?: WindowsOfRows
}

/** A `VersionedStore<K, V>`; its changelog has a record a version, under the version's timestamp: see docs/design/0013-versioned-tables.md. */
export interface VersionedStoreSpec<K, V> extends StoreSpecBase<K, V> {
  readonly kind: 'versioned'
  /** How far back in time versions are kept and taken, before the largest timestamp of the store. The latest of a key is always kept. */
  readonly historyMs: number
}

export type StoreSpec =
  | KeyValueStoreSpec<unknown, unknown>
  | TimestampedKeyValueStoreSpec<unknown, unknown>
  | WindowStoreSpec<unknown, unknown>
  | SessionStoreSpec<unknown, unknown>
  | VersionedStoreSpec<unknown, unknown>

/** The store that a spec declares. */
export type StoreOf<Spec extends StoreSpec> =
  Spec extends WindowStoreSpec<infer K, infer V>
    ? WindowStore<K, V>
    : Spec extends SessionStoreSpec<infer K, infer V>
      ? SessionStore<K, V>
      : Spec extends VersionedStoreSpec<infer K, infer V>
        ? VersionedStore<K, V>
        : Spec extends KeyValueStoreSpec<infer K, infer V>
          ? OfKeys<Spec, K, V>
          : Spec extends TimestampedKeyValueStoreSpec<infer K, infer V>
            ? OfKeys<Spec, K, Timestamped<V>>
            : StateStore

type OfKeys<Spec, K, V> = Spec extends KeysInMemory ? ScannableStore<K, V> : KeyValueStore<K, V>

/** A spec of a `ScannableStore`. */
export interface KeysInMemory {
  readonly keysInMemory: true
}

/** Bounds over bytes, compared as unsigned bytes: at most one lower and one upper bound. */
export interface ByteRange {
  readonly gte?: Uint8Array
  readonly gt?: Uint8Array
  readonly lt?: Uint8Array
  readonly lte?: Uint8Array
  readonly reverse?: boolean
  readonly limit?: number
}

/** One change of a batch; value null deletes. */
export interface ByteChange {
  readonly key: Uint8Array
  readonly value: Uint8Array | null
}

export type ByteEntry = readonly [key: Uint8Array, value: Uint8Array]

/**
 * An ordered map of bytes to bytes: the port under every store and under the embedded log. Bytes that went in or came out are not to
 * be changed by anyone. Errors: STATE_IO, STATE_CORRUPT, STATE_LOCKED; using a closed store is ILLEGAL_STATE.
 */
export interface ByteStore extends AsyncDisposable {
  get(key: Uint8Array): Uint8Array | undefined
  /** Entries in key order, from a snapshot taken at the call and held until the iteration ends: iterate it. */
  range(range?: ByteRange): AsyncIterable<ByteEntry>
  /** All changes or none, in order, also across a crash of the process. */
  write(changes: readonly ByteChange[], options?: WriteOptions): Promise<void>
  /** Deletes all keys of the range. */
  clear(range?: ByteRange): Promise<void>
  /**
   * Gives the disk back what deleted and replaced keys between the two still take, both included. Absent where that is nothing. A store
   * that only ever deletes its smallest keys needs it: LevelDB cleans up where new keys fall among old ones, and there none do.
   */
  compact?(from: Uint8Array, to: Uint8Array): Promise<void>
  /**
   * About how many bytes the entries from one key to another take on disk, without looking at them; what was written last may not count
   * yet. Absent where nothing is on disk.
   */
  diskBytes?(from: Uint8Array, to: Uint8Array): Promise<number>
  close(): Promise<void>
}

export interface WriteOptions {
  /** Wait until the operating system has it on disk: survives a power cut, not only a crash of the process. Default false. */
  readonly sync?: boolean
}
