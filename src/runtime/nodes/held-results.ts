import type { RecordMetadata, StreamRecord } from '../../record.ts'
import { keyText } from '../../state/key-text.ts'
import type { HeldResult } from '../../topology/processor.ts'

/** What holding one more result takes beside its key and values: the map's slot, the objects, the string. A round estimate. */
const entryOverheadBytes = 256

/** What the nodes of all tasks of an instance hold back together. */
export class CacheBudget {
  readonly #maxBytes: number
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get bytes(): number {
    return this.#bytes
  }

  /** More is held than may be: who works now has to send what it holds. */
  get isOver(): boolean {
    return this.#bytes > this.#maxBytes
  }

  add(bytes: number): void {
    this.#bytes += bytes
  }
}

/** The record that a result was made for. */
export interface ResultOrigin {
  readonly source: RecordMetadata | undefined
  readonly recovering: boolean
}

/** A result on its way out. */
export interface SentResult extends ResultOrigin {
  readonly record: StreamRecord<unknown, unknown>
}

interface Held extends ResultOrigin, Pick<HeldResult<unknown, unknown>, 'bytes' | 'before' | 'since'> {}

/** The results that one node holds back: the last of each id, with what was there before the first of them. */
export class HeldResults {
  readonly #budget: CacheBudget
  /** In the order of the last put of each id. */
  readonly #held = new Map<string, Held>()
  /** Where `next` is. Looking for the first entry anew each time would mean stepping over the places of all that were deleted. */
  #going: Iterator<[string, Held]> | undefined

  constructor(budget: CacheBudget) {
    this.#budget = budget
  }

  put({ id: bytesOfId, ...result }: HeldResult<unknown, unknown>, { source, recovering }: ResultOrigin): void {
    const id = keyText(bytesOfId)
    const earlier = this.#held.get(id)
    const bytes = result.bytes + entryOverheadBytes
    // A map keeps the place of a key that is set again.
    if (earlier) this.#held.delete(id)
    this.#held.set(id, {
      since: result.since,
      before: earlier ? earlier.before : result.before,
      bytes,
      source,
      recovering: recovering || (earlier?.recovering ?? false),
    })
    this.#budget.add(bytes - (earlier?.bytes ?? 0))
  }

  /** The next one that has to go out, which is not held any more; undefined when nothing is left. */
  next(): SentResult | undefined {
    this.#going ??= this.#held.entries()
    for (let { value: entry } = this.#going.next(); entry; entry = this.#going.next().value) {
      const [id, { since, before, bytes, source, recovering }] = entry
      this.#held.delete(id)
      this.#budget.add(-bytes)
      const record = since(before, recovering)
      if (record) return { record, source, recovering }
    }
    this.#going = undefined
    return undefined
  }

  clear(): void {
    for (const { bytes } of this.#held.values()) this.#budget.add(-bytes)
    this.#held.clear()
  }
}
