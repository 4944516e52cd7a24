import type { StreamError } from '../errors.ts'
import type { RecordMetadata, StreamRecord } from '../record.ts'
import type { DropReason, SharedWork, TaskId } from '../topology/processor.ts'
import type { TopicPartition } from './broker.ts'

/** A node finished with a record. */
export interface NodeEvent {
  readonly task: TaskId
  readonly node: string
  readonly record: StreamRecord<unknown, unknown>
  /** What it forwarded, in order. */
  readonly outputs: readonly StreamRecord<unknown, unknown>[]
}

/** A record was given up. */
export interface GivenUpEvent {
  readonly task: TaskId
  readonly node: string
  readonly source: RecordMetadata | undefined
  readonly error: StreamError
  readonly deadLettered: boolean
}

/** A batch of a changelog is in the store of a task that is not running yet. */
export interface RestoreEvent {
  readonly task: TaskId
  readonly store: string
  /** Records of this batch. */
  readonly restored: number
  /** Offsets that are left of what was there when the restore of the store began; never negative. */
  readonly remaining: number
  /** Since then. */
  readonly recordsPerSecond: number
}

/** The stores of a task are at the end of their changelogs. */
export interface RestoredEvent {
  readonly task: TaskId
  /** How many were missing, of all stores. */
  readonly records: number
  readonly durationMs: number
}

/** A standby has looked at the changelogs of its task. */
export interface StandbyEvent {
  readonly task: TaskId
  /** Offsets that it had not read yet. */
  readonly lag: number
  /** The same, by store. */
  readonly lags: ReadonlyMap<string, number>
}

/** A batch of the topic of a global table is in its rows. */
export interface GlobalReadEvent {
  readonly table: string
  readonly records: number
  /** Records of the whole topic that are left of what was there at the last look. */
  readonly lag: number
}

/** A record is acknowledged by a topic, or is in an index. */
export interface DeliveredEvent {
  readonly task: TaskId
  /** Of the sink. */
  readonly node: string
  readonly record: StreamRecord<unknown, unknown>
  /** When, on the clock of the runtime. */
  readonly at: number
  /** Since the sink was given it. */
  readonly durationMs: number
}

/** The group has given an assignment. */
export interface RebalancedEvent {
  /** What it followed: this instance asked to join, gave up its partitions as the group wanted, or was removed. */
  readonly reason: RebalanceReason
  /** Since then. */
  readonly durationMs: number
}

export type RebalanceReason = 'join' | 'revoked' | 'lost'

/** How far the commits of a partition are behind its log. */
export interface PartitionLag extends TopicPartition {
  /** Whose commits they are. */
  readonly task: TaskId
  /** Offsets. */
  readonly records: number
  /** How long ago the log ended where the commit is now; at least, where nobody has looked for as long. 0 without lag. */
  readonly behindMs: number
}

/**
 * What the work loop did: took records, fired punctuators and cut generations, asked how far the log goes, left the turn to everything
 * else of the event loop, waited with nothing to do, or waited because a bound holds records back.
 */
export type LoopPhase = 'process' | 'maintain' | 'look' | 'other' | 'idle' | 'blocked'

/**
 * What the runtime tells about itself while it works. Metrics, progress bars and summaries are observers; operators know nothing of
 * them. Each method is optional and must not throw.
 */
export interface RuntimeObserver {
  /** A record was taken from the log. */
  taken?(task: TaskId, source: TopicPartition, timestamp: number): void
  /** Everything that a record caused is acknowledged, or it was given up. */
  finished?(task: TaskId, durationMs: number): void
  processed?(event: NodeEvent): void
  /** A node has forwarded records outside of the processing of one: from a punctuator, or results that it had held back. */
  forwarded?(task: TaskId, node: string, records: number): void
  /** A node beyond the gate has begun to wait for something. */
  began?(task: TaskId, node: string): void
  /** It has its answer, or waits no more. */
  ended?(task: TaskId, node: string, durationMs: number): void
  /** A node has done something for several records at once, of several tasks maybe. Told of once for each of them, with the same object. */
  shared?(task: TaskId, node: string, work: SharedWork): void
  delivered?(event: DeliveredEvent): void
  /** A node failed a record for a reason that passes: it passes again. */
  retried?(task: TaskId, node: string, error: StreamError): void
  dropped?(task: TaskId, reason: DropReason): void
  givenUp?(event: GivenUpEvent): void
  committed?(task: TaskId, records: number, durationMs: number): void
  /** The task is over, and its records are read again. */
  commitFailed?(task: TaskId, error: StreamError): void
  /**
   * A node has used one of its stores: the name of the method, and its time. Where nobody asks stores are given to nodes as they are; else each
   * operation costs two looks at the clock and more.
   */
  storeUsed?(task: TaskId, store: string, op: string, durationMs: number): void
  /** Records of a store were written to its changelog. */
  changelogWritten?(task: TaskId, store: string, records: number): void
  restoring?(event: RestoreEvent): void
  /** Once for every restore, also when nothing was missing. */
  restored?(event: RestoredEvent): void
  standby?(event: StandbyEvent): void
  globalRead?(event: GlobalReadEvent): void
  /** A record of the topic of a global table is not taken into it. */
  globalDropped?(table: string, reason: 'null_key' | 'undecodable'): void
  rebalanced?(event: RebalancedEvent): void
  /** A batch of a partition has come. */
  fetched?(partition: TopicPartition, records: number): void
  /** The log was asked for records, and answered; with none, when it would not wait for them any longer. */
  polled?(durationMs: number): void
  worked?(phase: LoopPhase, durationMs: number): void
  /** Every few seconds, for all partitions of the instance. Who does not ask for it saves requests to the broker. */
  lagged?(lags: readonly PartitionLag[]): void
}
