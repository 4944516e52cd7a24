import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { ProducerRecord } from '../../src/runtime/broker.ts'
import type { ChangeEvent } from './change-stream.ts'

const documents = 80
const deletedShare = 0.15
const poisonShare = 0.02
const words = 'log offset commit task store index chunk vector batch group lease window state topic record key'.split(
  ' ',
)

/** Changes for ever: documents are written, edited, deleted and written again; now and then comes what nobody can read. */
export class SoakLoad {
  readonly #partitions: number
  readonly #latest = new Map<string, ChangeEvent>()
  #state = 1
  changes = 0

  constructor(partitions: number) {
    this.#partitions = partitions
  }

  /** What the last change of every document was. */
  get latest(): readonly ChangeEvent[] {
    return [...this.#latest.values()]
  }

  next(topic: string, timestamp: number): ProducerRecord {
    this.changes++
    const address = (key: string, value: Uint8Array | null) => {
      const bytes = Buffer.from(key)
      const partition = partitionFor(bytes, this.#partitions)
      return { topic, partition, key: bytes, value, timestamp, headers: noHeaders }
    }
    if (this.#random() < poisonShare) return address(`poison-${this.#below(5)}`, Buffer.from('{"path":'))
    const key = `folder/document-${this.#below(documents)}.md`
    const isDeleted = this.#random() < deletedShare
    const text = isDeleted ? '' : this.#edited(this.#latest.get(key)?.text ?? '')
    this.#latest.set(key, { key, op: isDeleted ? 'delete' : 'upsert', text })
    return address(key, isDeleted ? null : Buffer.from(JSON.stringify({ path: key, text })))
  }

  /** Another version: one section of it is new. */
  #edited(text: string): string {
    const sections = text === '' ? [] : text.split('\n\n# ').map((section) => section.replace(/^# /, ''))
    const at = this.#below(4)
    sections[Math.min(at, sections.length)] = `Section ${at}\n\n${this.#sentences(8)}`
    return sections.map((section) => `# ${section}`).join('\n\n')
  }

  #sentences(count: number): string {
    const word = () => words[this.#below(words.length)]
    const sentence = () => `The ${word()} ${this.#below(1_000_000)} of the ${word()} is the ${word()} of a ${word()}.`
    return Array.from({ length: count }, sentence).join(' ')
  }

  #below(bound: number): number {
    return Math.floor(this.#random() * bound)
  }

  /** xorshift32: the same numbers every time. */
  #random(): number {
    this.#state ^= this.#state << 13
    this.#state ^= this.#state >>> 17
    this.#state ^= this.#state << 5
    return (this.#state >>> 0) / 2 ** 32
  }
}
