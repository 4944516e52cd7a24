import type { StreamError } from '../errors.ts'
import type { Headers, RecordMetadata, StreamRecord } from '../record.ts'
import type { SharedWork, TaskId } from '../topology/processor.ts'
import type { SinkNode } from '../topology/topology.ts'

/** Consecutive records of a partition that have come together. */
export interface ReceivedBatch {
  readonly topic: string
  readonly partition: number
  readonly records: number
  /** The position after them. */
  readonly next: number
}

/** A record as the log has it. */
export interface TracedRecord {
  readonly task: TaskId
  readonly source: RecordMetadata
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
}

/**
 * Follows single records from the log to what is written for them. An observer is told what has happened; a tracer is around it, so that
 * what others trace meanwhile (a request to a server) belongs to the record. The runtime knows this port and no tracing system. Nothing
 * here may throw.
 */
export interface Tracer {
  received(batch: ReceivedBatch): void
  /** A record was taken. What it causes belongs to the trace until its end, which never comes for a record of a task that is abandoned. */
  begin(record: TracedRecord): RecordTrace
}

/** One record that was taken. What a punctuator emits has none. */
export interface RecordTrace {
  /** Runs nodes for the record, now or after it has waited. */
  within<T>(action: () => T): T
  /** Is around a write of a sink. What goes to a topic takes the trace along in its headers: `write` is to be given that record. */
  writing(sink: SinkNode, record: AnyRecord, write: (record: AnyRecord) => Promise<void>): Promise<void>
  /** A node has done something for this record and others at once. */
  shared(node: string, work: SharedWork): void
  retried(node: string, error: StreamError): void
  givenUp(node: string, error: StreamError): void
  /** Everything that the record caused is acknowledged, or it was given up. */
  end(): void
}

type AnyRecord = StreamRecord<unknown, unknown>
