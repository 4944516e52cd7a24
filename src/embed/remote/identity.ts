import { cosineOf } from '../similarity/kernels.ts'
import type { ServedModel } from './api.ts'

/** Who a server is: what it says of its model, and what the model makes of a text that all servers are asked for. */
export interface Identity {
  readonly served: ServedModel
  /** The model that answered, when the server tells. */
  readonly answered: string | undefined
  readonly golden: Float32Array
  /** Tokens of the golden text, as the server counts them. */
  readonly goldenTokens: number
}

/** Short, because it travels with every request: no answer is used whose model does not make of it what the model at the start did. */
export const goldenText = 'A mill grinds grain into flour.'

/** Half precision, other kernels and other batches stay above; other weights, or the same in 4 bits, do not. */
const leastGoldenCosine = 0.999

/** Why two servers must not serve one index, or undefined when their vectors can be compared. */
export function differenceOf(expected: Identity, found: Identity): string | undefined {
  const [ours, theirs] = [expected.served, found.served]
  if (ours.model !== theirs.model) return `serves model "${theirs.model}", not "${ours.model}"`
  if (ours.revision !== '' && theirs.revision !== '' && ours.revision !== theirs.revision)
    return `serves revision ${theirs.revision} of the model, not ${ours.revision}`
  if (ours.maxTokens !== theirs.maxTokens) return `takes ${theirs.maxTokens} tokens of a text, not ${ours.maxTokens}`
  if (expected.answered !== found.answered) return `answers for model "${found.answered}", not "${expected.answered}"`
  if (expected.golden.length !== found.golden.length)
    return `gives ${found.golden.length} dimensions, not ${expected.golden.length}`
  return otherVector(expected.golden, found.golden)
}

/** How the golden text got another vector, or undefined when it has not. */
export function otherVector(expected: Float32Array, found: Float32Array): string | undefined {
  const similarity = cosineOf(expected, found)
  if (similarity >= leastGoldenCosine) return undefined
  return `gives another vector for the same text: cosine ${similarity.toFixed(4)}`
}
