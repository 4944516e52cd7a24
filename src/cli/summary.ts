import type { ChunkedDocument, DocumentChange, DocumentKey, IndexOp } from '../model.ts'
import type { GivenUpEvent, NodeEvent, RuntimeObserver } from '../runtime/observer.ts'

/** The last line of `index --json`. */
export interface IndexSummary {
  readonly documents: {
    readonly new: number
    readonly changed: number
    readonly unchanged: number
    readonly metadataOnly: number
    readonly deleted: number
  }
  /** `truncated`: embedded by their beginning, because the model cannot read more. */
  readonly chunks: {
    readonly embedded: number
    readonly reused: number
    readonly deleted: number
    readonly truncated: number
  }
  readonly indexRequests: number
  /** Documents that are missing or old in the index because they were given up, now or by an earlier run. */
  readonly deadLetters: number
  readonly seconds: number
}

interface WatchedNodes {
  readonly dedupe: string
  readonly diff: string
  readonly embed: string
}

/** What became of a document. */
type Outcome = keyof IndexSummary['documents']

const outcomes = { new: 'new', changed: 'changed', 'metadata-only': 'metadataOnly', deleted: 'deleted' } as const

/** Counts what a pipeline did to documents, by watching its `dedupe`, `diff` and `embed` nodes. */
export class SummaryObserver implements RuntimeObserver {
  readonly documents = { new: 0, changed: 0, unchanged: 0, metadataOnly: 0, deleted: 0 }
  readonly chunks = { embedded: 0, reused: 0, deleted: 0, truncated: 0 }
  /** Chunks of a document that the model could not read to their end, of those that have any. */
  readonly truncated = new Map<string, number>()
  readonly givenUpDocuments: string[] = []
  deadLetters = 0
  /** Records that are done: all of them is in the index, or they were given up. */
  records = 0
  readonly #nodes: WatchedNodes
  readonly #backlog = new Map<DocumentKey, Outcome | undefined>()
  /** Those of the backlog that a feed has read anew. */
  readonly #changed = new Set<DocumentKey>()

  constructor(nodes: WatchedNodes) {
    this.#nodes = nodes
  }

  /** Documents that an earlier run has read and not indexed. Each of them counts once, however often it comes, as what it is in the end. */
  expectBacklog(keys: Iterable<DocumentKey>): void {
    for (const key of keys) this.#backlog.set(key, undefined)
  }

  /** A feed has read these anew: they have changed. */
  readAnew(keys: readonly DocumentKey[]): void {
    for (const key of keys) if (this.#backlog.has(key)) this.#changed.add(key)
  }

  /** Documents of the backlog that are counted here, and that a folder counts as unchanged. */
  get unchangedBacklog(): number {
    const counted = this.#backlog.entries().filter(([, outcome]) => outcome && outcome !== 'deleted')
    return counted.filter(([key]) => !this.#changed.has(key)).toArray().length
  }

  finished(): void {
    this.records++
  }

  processed({ node, record, outputs }: NodeEvent): void {
    if (node === this.#nodes.embed) this.#countTruncated(outputs)
    if (node !== this.#nodes.dedupe && node !== this.#nodes.diff) return
    if (outputs.length === 0 && record.value !== null) {
      this.#note(record.key, node === this.#nodes.diff && isEmpty(record.value) ? 'new' : 'unchanged')
    }
    if (node !== this.#nodes.diff) return
    for (const output of outputs) if (output.value !== null) this.#count(output.key, output.value as DocumentChange)
  }

  givenUp({ error, source }: GivenUpEvent): void {
    this.deadLetters++
    this.givenUpDocuments.push(`${source?.topic}-${source?.partition}@${source?.offset}: ${error.message}`)
  }

  #countTruncated(outputs: NodeEvent['outputs']): void {
    for (const { key, value } of outputs) {
      const operations = value as readonly IndexOp[]
      const points = operations.flatMap((operation) => (operation.kind === 'upsert' ? operation.points : []))
      const truncated = points.filter((point) => point.truncated).length
      this.chunks.truncated += truncated
      if (truncated > 0) this.truncated.set(String(key), truncated)
    }
  }

  #count(key: unknown, change: DocumentChange): void {
    this.#note(key, outcomes[change.kind])
    this.chunks.embedded += change.upserts.length
    this.chunks.reused += change.reused + change.payloads.length
    this.chunks.deleted += change.deletes.length
  }

  #note(key: unknown, outcome: Outcome): void {
    const document = String(key)
    if (this.#backlog.has(document)) {
      // What is new stays new when it comes again, and what was changed stays changed.
      const before = this.#backlog.get(document)
      if (before && before !== 'unchanged' && before !== 'deleted' && outcome !== 'deleted') return
      if (before) this.documents[before]--
      this.#backlog.set(document, outcome)
    }
    this.documents[outcome]++
  }
}

/** There is nothing to write of a document without text, although `dedupe` has not seen it before. */
function isEmpty(value: unknown): boolean {
  return (value as ChunkedDocument).chunks.length === 0
}
