import { createHash } from 'node:crypto'

/** What a fake server computes with: every text has a unit vector of its own. */
export interface FakeModel {
  readonly name: string
  readonly revision: string
  readonly dimensions: number
  readonly maxTokens: number
  /** Models of different seeds give different vectors. */
  readonly seed: string
}

export function fakeModel(given: Partial<FakeModel> = {}): FakeModel {
  const standard = { name: 'mill/embedder-small', revision: '5c38ec7c405ec4b44b94cc5a9bb96e735b38267a' }
  return { ...standard, dimensions: 8, maxTokens: 512, seed: '', ...given }
}

/** Start token, words, end token. */
export function tokensOf(text: string): number {
  return (text.match(/\S+/g)?.length ?? 0) + 2
}

/** A text that makes a model fail says so: `NaN!` gives no numbers, `zero!` gives zeros. */
export function vectorOf(model: FakeModel, text: string, dimensions = model.dimensions): number[] {
  if (text.includes('NaN!')) return new Array(dimensions).fill(Number.NaN)
  if (text.includes('zero!')) return new Array(dimensions).fill(0)
  const kept = text
    .split(/\s+/)
    .slice(0, model.maxTokens - 2)
    .join(' ')
  const raw = Array.from({ length: dimensions }, (_, at) => {
    const digest = createHash('sha256').update(`${model.seed}/${at}/${kept}`).digest()
    return digest.readInt32LE(0) / 2 ** 31
  })
  const length = Math.hypot(...raw)
  return raw.map((value) => value / length)
}
