import { hash } from 'node:crypto'
import { operationsOf } from '../../embed/embed.ts'
import type { Embedder } from '../../embed/index.ts'
import type { DocumentChange, DocumentKey, IndexOp } from '../../model.ts'
import { withValue } from '../../record.ts'
import { requireShape } from '../../shapes.ts'
import type { Processor } from '../../topology/processor.ts'

/** Counts the texts that would be embedded. */
export class PlannedTexts {
  /** Every text, as often as it is asked for. */
  texts = 0
  /** In UTF-16 code units. */
  characters = 0
  /** Undefined when an embedder has no tokenizer at hand. */
  tokens: number | undefined = 0
  readonly #distinct = new Set<string>()

  /** Different texts. */
  get distinct(): number {
    return this.#distinct.size
  }

  count(text: string, { id, countTokens }: Pick<Embedder, 'id' | 'countTokens'>): void {
    this.texts++
    this.characters += text.length
    if (this.tokens !== undefined) this.tokens = countTokens && this.tokens + countTokens(text)
    this.#distinct.add(hash('sha256', `${id}\n${text}`, 'base64').slice(0, 22))
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
    process(record, context) {
      const change = record.value
      if (change === null) return
      requireShape(`node "${name}" (embed)`, change, 'the change of a document')
      for (const { meaning } of change.upserts) texts.count(meaning, embedder)
      const points = change.upserts.map((point) => ({ ...point, vector: noVector }))
      context.forward(withValue(record, operationsOf(change, points)))
    },
  }
}
