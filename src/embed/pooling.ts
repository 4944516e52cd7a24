import type { InferenceSetup } from './worker-protocol.ts'

export interface PoolOptions extends Pick<InferenceSetup, 'pooling' | 'normalize' | 'dimensions'> {
  /** Tokens of the longest row: all rows are padded to it, on the right. */
  readonly width: number
  /** Numbers that the model gives per token; `dimensions` of them are kept. */
  readonly modelDimensions: number
}

/**
 * One vector per row out of one vector per token, as sentence-transformers does it: pool, cut to the first `dimensions` numbers (Kusupati
 * et al., "Matryoshka Representation Learning", 2022), then scale to unit length. `lengths` says how many tokens of a row are no padding.
 *
 * A row that is not made of finite numbers, is all zeros, or has no token, becomes NaN as a whole: such a vector has no direction.
 */
export function pool(hidden: Float32Array, lengths: Int32Array, options: PoolOptions): Float32Array<ArrayBuffer> {
  const { width, modelDimensions, dimensions } = options
  const vectors = new Float32Array(lengths.length * dimensions)
  for (const [row, length] of lengths.entries()) {
    const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions)
    const { from, to } = pooledTokens(options.pooling, length)
    for (let token = from; token < to; token++) {
      const start = (row * width + token) * modelDimensions
      for (let at = 0; at < dimensions; at++) vector[at] = (vector[at] ?? 0) + (hidden[start + at] ?? 0)
    }
    scale(vector, to - from, options.normalize)
  }
  return vectors
}

/** Rows are padded on the right, whatever side the tokenizer was made for: the last token is where the row ends. */
function pooledTokens(pooling: PoolOptions['pooling'], length: number): { readonly from: number; readonly to: number } {
  if (pooling === 'cls') return { from: 0, to: Math.min(1, length) }
  if (pooling === 'last') return { from: Math.max(0, length - 1), to: length }
  return { from: 0, to: length }
}

function scale(vector: Float32Array, pooled: number, normalize: boolean): void {
  const factor = 1 / (normalize ? Math.sqrt(squaresOf(vector)) : pooled)
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] ?? 0) * factor
  // Looked at last: the smallest numbers become zero here.
  const squares = squaresOf(vector)
  if (!(squares > 0 && squares < Number.POSITIVE_INFINITY)) vector.fill(Number.NaN)
}

/** Infinite or NaN when one of the numbers is; of 32 bits each, they are far from making a sum of 64 bits overflow or vanish. */
function squaresOf(vector: Float32Array): number {
  let squares = 0
  for (const value of vector) squares += value * value
  return squares
}
