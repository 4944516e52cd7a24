import type { RecordMetadata, StreamRecord } from '../../record.ts'
import type { LogRecord } from '../broker.ts'
import type { RecordTrace } from '../tracer.ts'
import type { Generation } from './generation.ts'
import type { RunningProcessor } from './running-nodes.ts'

/** A processor that wants to hear when a record it saw ends as a dead letter. */
export interface Visit {
  readonly node: RunningProcessor
  readonly record: StreamRecord<unknown, unknown>
}

export interface InFlightOrigin {
  readonly generation: Generation
  /** Undefined for what a punctuator emits. */
  readonly source: RecordMetadata | undefined
  readonly raw: LogRecord | undefined
  readonly bytes: number
  /** The record was taken inside the recovery window. */
  readonly recovering: boolean
  /** Of somebody who follows the record. */
  readonly trace?: RecordTrace | undefined
}

/**
 * One source record on its way: from being taken from the log until everything it caused is acknowledged. Whoever still works for it
 * holds it; when the last hold is released it is done.
 */
export class InFlight implements InFlightOrigin {
  readonly generation: Generation
  readonly source: RecordMetadata | undefined
  readonly raw: LogRecord | undefined
  readonly bytes: number
  readonly recovering: boolean
  readonly trace: RecordTrace | undefined
  readonly visits: Visit[] = []
  readonly #done: (record: InFlight) => void
  #holds = 1

  constructor(origin: InFlightOrigin, done: (record: InFlight) => void) {
    this.generation = origin.generation
    this.source = origin.source
    this.raw = origin.raw
    this.bytes = origin.bytes
    this.recovering = origin.recovering
    this.trace = origin.trace
    this.#done = done
  }

  hold(): void {
    this.#holds++
  }

  release(): void {
    this.#holds--
    if (this.#holds > 0) return
    this.trace?.end()
    this.#done(this)
  }

  /** Runs a step of the record's work. */
  within<T>(action: () => T): T {
    return this.trace ? this.trace.within(action) : action()
  }
}
