import type { StreamError } from '../errors.ts'
import type { RecordMetadata, StreamRecord } from '../record.ts'
import type { TaskId } from '../topology/processor.ts'
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
}

/**
 * What the runtime tells about itself while it works. Metrics, progress bars and summaries are observers; operators know nothing of
 * them. Each method is optional and must not throw.
 */
export interface RuntimeObserver {
  /** A record was taken from the log. */
  taken?(task: TaskId, source: TopicPartition, timestamp: number): void
  processed?(event: NodeEvent): void
  dropped?(task: TaskId, reason: 'null_key' | 'timestamp'): void
  givenUp?(event: GivenUpEvent): void
  committed?(task: TaskId, records: number, durationMs: number): void
  restoring?(event: RestoreEvent): void
  /** Once for every restore, also when nothing was missing. */
  restored?(event: RestoredEvent): void
  standby?(event: StandbyEvent): void
}
