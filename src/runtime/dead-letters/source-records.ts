import type { RecordMetadata } from '../../record.ts'
import type { Broker, LogRecord, TopicPartition } from '../broker.ts'
import { originOf, placeText } from './dead-letter.ts'

/**
 * What became of a record since it was given up:
 *
 * - `open`: it is still the last one of its key in its source;
 * - `superseded`: a newer record of its key came after it;
 * - `redriven`: it was put back, and the copy came after it;
 * - `refused`: its source does not take a copy of it;
 * - `gone`: its source does not hold it any more, so that nobody can tell whether a newer one came.
 */
export type Standing = 'open' | 'superseded' | 'redriven' | 'gone' | 'refused'

/** What a letter says of a record that was given up. */
export interface LetterRecord {
  readonly source: RecordMetadata
  readonly key: Uint8Array | null
}

/** A record that was given up, and what became of it. */
export interface GivenUp {
  readonly offset: number
  readonly key: Uint8Array | null
  readonly standing: Standing
}

type Candidate = { -readonly [Name in keyof GivenUp]: GivenUp[Name] }

/**
 * Follows one source partition from its first record that was given up, and knows what became of those.
 *
 * That a record is still there proves more than that nothing newer of its key is: compaction removes a record only when a newer one of its
 * key exists, retention removes the older one first. So an old version can never pass for the latest because the newer one has expired, be
 * it a tombstone.
 */
export class SourceRecords {
  readonly place: TopicPartition
  readonly #broker: Broker
  readonly #candidates: ReadonlyMap<number, Candidate>
  readonly #byOrigin: ReadonlyMap<string, Candidate>
  /** The open one of each key. */
  readonly #openByKey = new Map<string, Candidate>()
  #position = -1

  constructor(broker: Broker, place: TopicPartition, records: readonly LetterRecord[]) {
    this.#broker = broker
    this.place = place
    const candidates = records.map(({ source: { offset }, key }): Candidate => ({ offset, key, standing: 'gone' }))
    this.#candidates = new Map(candidates.sort((a, b) => a.offset - b.offset).map((each) => [each.offset, each]))
    this.#byOrigin = new Map(
      [...this.#candidates.values()].map((each) => [placeText({ ...place, offset: each.offset }), each]),
    )
  }

  /** All of them, in the order of their offsets. */
  get all(): readonly GivenUp[] {
    return [...this.#candidates.values()]
  }

  /** Where the next look begins: everything below has been seen. */
  get position(): number {
    return this.#position
  }

  isOpen(offset: number): boolean {
    return this.#candidates.get(offset)?.standing === 'open'
  }

  /** Reads on to the end of what is visible, or to where the signal aborts. A topic that does not exist any more has nothing. */
  async advance(signal?: AbortSignal): Promise<void> {
    if (this.#position < 0) this.#position = await this.#start()
    if (this.#position < 0) return
    for await (const { records, next } of this.#broker.read(this.place, this.#position)) {
      if (signal?.aborted) return
      for (const record of records) this.#see(record)
      this.#position = next
    }
  }

  /** A copy of this record lies behind it now, or cannot be written. */
  note(offset: number, standing: 'redriven' | 'refused'): void {
    const candidate = this.#candidates.get(offset)
    if (candidate) this.#close(candidate, standing)
  }

  /** The records that are open, as they lie in the log. */
  async *openRecords(): AsyncGenerator<LogRecord> {
    const open = this.all.filter(({ standing }) => standing === 'open')
    const [first, last] = [open[0], open.at(-1)]
    if (!first || !last) return
    for await (const { records, next } of this.#broker.read(this.place, first.offset)) {
      for (const record of records) if (this.isOpen(record.offset)) yield record
      if (next > last.offset) return
    }
  }

  /** -1 when there is nothing to read. */
  async #start(): Promise<number> {
    const { topic, partition } = this.place
    const partitions = (await this.#broker.topics([topic])).get(topic)?.partitions ?? 0
    const first = this.#candidates.keys().next().value
    if (partition >= partitions || first === undefined) return -1
    const [range] = await this.#broker.offsets([this.place])
    return !range || first >= range.latest ? -1 : Math.max(range.earliest, first)
  }

  #see({ offset, key, headers }: LogRecord): void {
    const name = key === null ? undefined : textOf(key)
    const copied = this.#byOrigin.get(originOf(headers) ?? '')
    if (copied?.standing === 'open') this.#close(copied, 'redriven')
    const older = name === undefined ? undefined : this.#openByKey.get(name)
    if (older) this.#close(older, 'superseded')
    const candidate = this.#candidates.get(offset)
    // A topic that was deleted and made again has other records at the same offsets.
    if (!candidate || textOf(candidate.key) !== textOf(key)) return
    candidate.standing = 'open'
    if (name !== undefined) this.#openByKey.set(name, candidate)
  }

  #close(candidate: Candidate, standing: Standing): void {
    candidate.standing = standing
    const name = textOf(candidate.key)
    if (name !== undefined) this.#openByKey.delete(name)
  }
}

/** Bytes as a key of a map: one character a byte. */
function textOf(key: Uint8Array | null): string | undefined {
  return key === null ? undefined : Buffer.from(key).toString('latin1')
}
