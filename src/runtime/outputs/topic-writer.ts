import type { ProducerRecord } from '../broker.ts'

/** Where records for topics go: at once, or together with the generation that they belong to. */
export interface TopicWriter {
  /**
   * Resolves when nobody has to wait for the record any more. Rejects with RECORD_REJECTED for a record that the broker will never take,
   * and with the signal's reason when it aborts before the record is sent, or before it is sent again.
   */
  send(record: ProducerRecord, generation: number, signal?: AbortSignal): Promise<void>
}
