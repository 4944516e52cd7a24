import type { ProducerRecord } from '../broker.ts'
import type { TopicWriter } from './topic-writer.ts'

interface Outputs {
  readonly records: ProducerRecord[]
  bytes: number
}

/** Keeps what the records of a generation write to topics, until its transaction takes it. */
export class GenerationOutputs implements TopicWriter {
  readonly #generations = new Map<number, Outputs>()

  /** Resolves at once: the record is as durable as its generation. */
  async send(record: ProducerRecord, generation: number): Promise<void> {
    const outputs = this.#generations.get(generation) ?? { records: [], bytes: 0 }
    outputs.records.push(record)
    outputs.bytes += (record.key?.byteLength ?? 0) + (record.value?.byteLength ?? 0)
    this.#generations.set(generation, outputs)
  }

  /** In the order in which they were written. */
  of(generation: number): readonly ProducerRecord[] {
    return this.#generations.get(generation)?.records ?? []
  }

  bytes(generation: number): number {
    return this.#generations.get(generation)?.bytes ?? 0
  }

  /** Takes the place of a record that the broker refused. */
  replace(generation: number, refused: ProducerRecord, by: ProducerRecord | undefined): void {
    const records = this.#generations.get(generation)?.records
    const at = records?.indexOf(refused) ?? -1
    if (at >= 0) records?.splice(at, 1, ...(by ? [by] : []))
  }

  drop(generation: number): void {
    this.#generations.delete(generation)
  }
}
