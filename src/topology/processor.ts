import type { Cancel } from '../clock.ts'
import type { DocumentKey, Hit, IndexOp, PointPayload, PointRef } from '../model.ts'
import type { RecordMetadata, StreamRecord } from '../record.ts'
import type { StateStore, StoreOf, StoreSpec } from '../state/store.ts'
import type { Repartition } from './source.ts'

/** A task is one partition of one sub-topology: `<subtopology>_<partition>`. */
export type TaskId = `${number}_${number}`

/** Called on the grid of its interval; the argument is the current time on that scale (milliseconds), not the grid's. */
export type Punctuator = (timeMs: number) => void

/** What moves a punctuator: the timestamps of records, or the clock. */
export type PunctuationTime = 'stream-time' | 'wall-clock'

export interface ScheduleOptions {
  /**
   * A point of the grid, milliseconds since the epoch: nothing is called before it. Default 0 by stream time, so that a punctuator is due with
   * the first record; one interval from now by the wall clock. A start that the wall clock has passed already waits for the next point.
   */
  readonly startMs?: number
}

/**
 * One step of a topology, one instance per task.
 *
 * Before the gate `process` is synchronous. A node that declares `order: 'key'` (and every node after it) stands beyond the gate: it
 * may return a promise, and the runtime lets at most one record of a key be there at a time.
 */
export interface Processor<KIn, VIn, KOut, VOut> {
  init?(context: ProcessorContext<KOut, VOut>): void
  process(record: StreamRecord<KIn, VIn>, context: ProcessorContext<KOut, VOut>): void | Promise<void>
  /**
   * What this processor did for a record does not hold: it was given up, or is about to be tried again. Correct what state claims
   * about it. Writes go to the record's own generation; nothing may be forwarded.
   */
  takeBack?(record: StreamRecord<KIn, VIn>, context: ProcessorContext<KOut, VOut>): void
  close?(): void | Promise<void>
}

/** A result of a node that stands for those before it, so that only the last has to go out. */
export interface HeldResult<K, V> {
  /** A result takes the place of one with the same bytes here, such as those of its key. */
  readonly id: Uint8Array
  /** About what it takes in memory. */
  readonly bytes: number
  /** What there was before it, for `since`. Of results that take one another's place that of the first counts. */
  readonly before: unknown
  /**
   * What goes out, given what there was when a result last went out. Undefined: nothing has to. While recovering something always has: a result
   * may have gone out before that the store has forgotten with its generation.
   */
  readonly since: (before: unknown, recovering: boolean) => StreamRecord<K, V> | undefined
}

/**
 * Why something was not taken into account: the record has no key, or no value; or it is too late for its window, or for the rows of a
 * table; or its timestamp is negative by the word of an extractor; or it answers to what is not so any more.
 */
export type DropReason = 'null_key' | 'null_value' | 'late' | 'timestamp' | 'stale'

export interface ProcessorContext<K, V> {
  /** Hands a record to all children, or to the child node named `to`. */
  forward(record: StreamRecord<K, V>, to?: string): void
  /**
   * Hands a result to all children before the open generation is cut, unless a later one takes its place; sooner when the instance holds more
   * than `cacheMaxBytes`. Results go out in the order of their last `hold`; at once while the task is recovering, if they end in an index. Beyond
   * the gate it throws ILLEGAL_STATE.
   */
  hold(result: HeldResult<K, V>): void
  /**
   * A store that the node is connected to, by its spec, which knows its type, or by its name. Throws STORE_UNKNOWN.
   *
   * @example
   * const seen = context.store(seenStore)
   * const counts = context.store<KeyValueStore<string, number>>('counts')
   */
  store<Spec extends StoreSpec>(spec: Spec): StoreOf<Spec>
  store<S extends StateStore>(name: string): S
  /** Calls the punctuator on a grid of time, until it is cancelled. It may forward, and write to stores. */
  schedule(everyMs: number, by: PunctuationTime, punctuate: Punctuator, options?: ScheduleOptions): Cancel
  /** Asks for a cut of the open generation soon, whatever the commit interval says. */
  requestCommit(): void
  /** Counts a record, or one of its windows, that this node passes over. */
  drop(reason: DropReason): void
  readonly task: TaskId
  /** Where the current record came from; undefined inside a punctuator. */
  readonly source: RecordMetadata | undefined
  /** The largest timestamp that this task has seen, the current record included; -1 before the first. */
  readonly streamTime: number
  /** The time on the clock of the runtime, milliseconds since the epoch. Never the same twice over a replay: no state may depend on it. */
  readonly wallClock: number
  /** The current record may have been processed before, by this instance or another one: compare with the target, not with memory. */
  readonly recovering: boolean
  /** True when what this node emits ends in an index: a record that is dropped here would leave its points behind. */
  readonly maintainsIndex: boolean
  /**
   * The children that end in an index in which `to`, another one of them, does not end. What goes to `to` only, or nowhere where that is undefined,
   * would leave its points behind there.
   */
  leftBehind(to: string | undefined): readonly string[]
  /** Identifies everything around this node that decides what vectors look like (chunker, model ...). */
  readonly pipeline: string
  /** Aborts when the task closes or its record ran out of time. */
  readonly signal: AbortSignal
  /**
   * Beyond the gate: resolves when everything that the record causes is acknowledged, was given up, or is about to be tried again. Before
   * the gate it throws ILLEGAL_STATE.
   */
  readonly settled: Promise<void>
  /** Beyond the gate: to be told of work that is done for the record together with others. Absent when nobody wants to know. */
  readonly onShared?: ((work: SharedWork) => void) | undefined
}

/** Work for several records at once, such as a batch of a model. All of them are told of the same object. */
export interface SharedWork {
  /** Which step of the node it was, in a word such as `tokenize`. Absent: what the node is there for. */
  readonly step?: string
  /** On the clock of whoever did it, milliseconds. */
  readonly startedAt: number
  readonly endedAt: number
  /** How much it was, by what was counted: `{ texts: 12, tokens: 480 }`. */
  readonly counts: Readonly<Record<string, number>>
  /** Why it began when it did, in a word such as `timeout`. Absent where there was no choice. */
  readonly reason?: string
  /** How long that which came first had waited until then, milliseconds. Absent where nobody knows. */
  readonly waitedMs?: number
  /** Why nothing came of it. */
  readonly error?: unknown
}

/** Something that is opened once per process before tasks start, and closed after the last one has. */
export interface Resource {
  open(): Promise<void>
  close(): Promise<void>
  /** The one that this one stands before, as a cache does: whoever only looks opens that one, and nothing is written. */
  readonly behind?: Resource | undefined
}

/** Names the node that a stream comes out of. */
export interface StreamHandle {
  readonly name: string
}

/** A further stream of a node, and a step that it goes through first: the builder adds it as a node of its own. */
export interface StreamInput extends StreamHandle {
  readonly through?: ProcessorSupplier<never, never, unknown, unknown>
}

/** What an operator returns: how to build a node. A plain value; making one does no I/O. */
export interface ProcessorSupplier<in KIn, in VIn, out KOut, out VOut> {
  readonly name: string
  /** For `describe`: the operator that made it, `filter`, `chunk` ... */
  readonly operator: string
  /** For `describe`: it holds its results until a cut. Default false. */
  readonly caching?: boolean | undefined
  /** One new processor per task. */
  readonly create: () => Processor<KIn, VIn, KOut, VOut>
  /** A step that comes first: the builder adds it as a node of its own. What it emits is what this node gets. */
  readonly precededBy?: ProcessorSupplier<KIn, VIn, unknown, unknown>
  /** Stores of its own (a spec), or of another node (a name). */
  readonly stores?: readonly (StoreSpec | string)[]
  /** Names of the global tables that it looks rows up in. */
  readonly globalTables?: readonly string[]
  /** Further streams that end in this node: the other sides of a merge or a join. */
  readonly inputs?: readonly StreamInput[]
  /** What the node emits travels through an internal topic, so that equal keys meet in one task. */
  readonly repartition?: Repartition<unknown, unknown>
  /** `key`: the node stands at the gate. Default `partition`: synchronous, in offset order. */
  readonly order?: 'partition' | 'key'
  /**
   * How long `process` may take beyond the gate. `record` (default): `recordDeadlineMs`, then the record is given up. `none`: the node
   * watches over its own waits, because what it waits for may be down for long without any record being at fault.
   */
  readonly deadline?: 'record' | 'none'
  /** At the gate, a waiting record may be replaced by a newer one of its key: only the last version matters to this node. */
  readonly coalesces?: boolean
  /** Before an index, what it does not let through goes on as a deletion. */
  readonly leavesOut?: boolean
  /** It sends each record to one of its children at most. */
  readonly parts?: boolean
  /** It sends on what comes of any of its inputs. */
  readonly gathers?: boolean
  /** The node may emit another key than it got. */
  readonly changesKey?: boolean
  readonly resources?: readonly Resource[]
  /** Indexes that the node looks at; opened like sinks. */
  readonly observes?: readonly VectorIndex[]
  /** What about this node decides the vectors; asked once the resources are open. */
  readonly facts?: () => PipelineFacts
}

/** What one node contributes to the identity of a pipeline. */
export interface PipelineFacts {
  /** Changes whenever the same document would get other chunks or other vectors. */
  readonly fingerprint: string
  /** Size of the vectors, from the node that makes them. */
  readonly dimensions?: number
}

/** What a sink is told when it opens: the facts of all nodes of its topology, joined. */
export interface Pipeline {
  readonly id: string
  readonly dimensions: number | undefined
}

/** The right to write to a target: it ends when the group may have given the partitions to somebody else. */
export interface Lease {
  /** Look at it before every single request, retries included; while it is false nothing may be sent. */
  readonly held: boolean
  /** Larger than those of all owners before, and committed before the first write. Only for writers of a sink that is `fenced`. */
  readonly epoch?: number | undefined
}

/** The end of a pipeline outside Kafka. */
export interface Sink<K, V> {
  /** Names the target in `describe`, logs and errors: `qdrant:documents`. Never holds credentials. */
  readonly name: string
  /** Connects, verifies the target and creates what is missing. */
  open(pipeline: Pipeline): Promise<void>
  /**
   * How long after it was sent a request may still take effect, milliseconds. Whoever takes a partition over after a crash waits so long
   * before it looks at the target. Absent: nothing outlives the process that sent it.
   */
  readonly requestTimeoutMs?: number
  /** Its writers need the epoch of their lease: the target refuses what an earlier owner sends. Default false. */
  readonly fenced?: boolean
  /** Without a lease the writer may always write. */
  writer(task: TaskId, lease?: Lease): SinkWriter<K, V>
  close(): Promise<void>
}

/** One writer per task. */
export interface SinkWriter<K, V> {
  /**
   * Resolves when the record is durable in the target. Rejects with a `skip` error when this record is poison, with `fatal` when
   * nothing can be written; retries everything else until the signal aborts.
   */
  write(record: StreamRecord<K, V>, signal: AbortSignal): Promise<void>
  /** Send what is waiting now: a generation was cut. */
  flush(): void
  close(): Promise<void>
}

export interface ScanOptions {
  /** Only points of this source partition. */
  readonly partition?: number
  readonly signal?: AbortSignal
}

export interface StoredPoint extends PointRef {
  readonly payload: PointPayload
}

export interface SearchOptions {
  /** Number of hits; default 10. */
  readonly limit?: number
  /** `hybrid` joins vector and full-text search by reciprocal rank fusion where the index can; default `hybrid`. */
  readonly mode?: 'hybrid' | 'vector' | 'text'
}

export interface SearchQuery {
  readonly text: string
  /** Needed by `hybrid` and `vector`. */
  readonly vector?: Float32Array
}

/** A target that holds the points of documents, and can be looked at. */
export interface VectorIndex extends Sink<DocumentKey, readonly IndexOp[]> {
  /** What the index really holds for these documents: a read that sees every acknowledged write. Absent documents are not in the map. */
  observe(keys: readonly DocumentKey[], signal?: AbortSignal): Promise<Map<DocumentKey, readonly PointRef[]>>
  /** Every point, in no particular order. */
  scan(options?: ScanOptions): AsyncIterable<StoredPoint>
  search(query: SearchQuery, options?: SearchOptions): Promise<readonly Hit[]>
  /**
   * Looks at a target that is not open, and writes nothing. Throws what would keep `open` from working, but for a target that `open`
   * makes. With `dimensions` undefined they are not compared. Absent: there is no way to look but to open.
   */
  inspect?(pipeline: Pick<Pipeline, 'dimensions'>): Promise<IndexReport>
  /**
   * The same target for looking only, not open yet: it creates nothing and has no writers, and its `open` throws INDEX_MISSING where there is
   * nothing. Absent: there is no way to look but to open for writing.
   */
  reader?(): VectorIndex
  /** Counts since `open`. */
  readonly stats: IndexStats
}

/** What a look at an index has found that keeps nobody from opening it. */
export interface IndexReport {
  /** False: `open` makes it. */
  readonly exists: boolean
  /** What `open` will add to it: `payload index on _millrace.doc`. */
  readonly missing: readonly string[]
  /** Of some of its points. */
  readonly pipelines: readonly string[]
}

export interface IndexStats {
  /** Requests (or transactions) that changed the index. */
  readonly writeRequests: number
  /** Of these, requests that failed for a reason that passes: they were sent again. Absent where none can fail so. */
  readonly failedRequests?: number
  readonly pointsWritten: number
  readonly payloadsWritten: number
  readonly pointsDeleted: number
}
