import { operationsOf } from '../../embed/embed.ts'
import type { Embedder } from '../../embed/index.ts'
import type { DocumentChange, DocumentKey, IndexOp } from '../../model.ts'
import { withValue } from '../../record.ts'
import { requireShape } from '../../shapes.ts'
import type { Processor } from '../../topology/processor.ts'
import { DistinctTexts } from './distinct-texts.ts'

/** Counts the texts that would be embedded. */
export class PlannedTexts implements AsyncDisposable {
  /** Every text, as often as it is asked for. */
  texts = 0
  /** In UTF-16 code units. */
  characters = 0
  /** Undefined when an embedder has no tokenizer at hand. */
  tokens: number | undefined = 0
  readonly #distinct: DistinctTexts

  /** The folder is for what there is no room for in memory. */
  constructor(folder: string) {
    this.#distinct = new DistinctTexts(folder)
  }

  /** Different texts. */
  get distinct(): number {
    return this.#distinct.count
  }

  async count(text: string, { id, countTokens }: Pick<Embedder, 'id' | 'countTokens'>): Promise<void> {
    this.texts++
    this.characters += text.length
    if (this.tokens !== undefined) this.tokens = countTokens && this.tokens + countTokens(text)
    await this.#distinct.add(`${id}\n${text}`)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#distinct[Symbol.asyncDispose]()
  }
}

const noVector = new Float32Array(0)

/** Stands where `embed` does: sends the same operations on, without vectors. */
export function plannedEmbed(
  name: string,
  embedder: Embedder,
  texts: PlannedTexts,
): Processor<DocumentKey, DocumentChange, DocumentKey, readonly IndexOp[]> {
  return {
    async process(record, context) {
      const change = record.value
      if (change === null) return
      requireShape(`node "${name}" (embed)`, change, 'the change of a document')
      for (const { meaning } of change.upserts) await texts.count(meaning, embedder)
      const points = change.upserts.map((point) => ({ ...point, vector: noVector }))
      context.forward(withValue(record, operationsOf(change, points)))
    },
  }
}
