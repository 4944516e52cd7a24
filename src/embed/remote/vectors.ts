import { malformed, misfit, otherSpace } from './failures.ts'

/** What the vectors of an answer have to be like. */
export interface VectorRules {
  /** The length of every vector. Undefined before the first answer has told it: then all must have the same. */
  readonly dimensions: number | undefined
  /** Scale vectors to unit length. */
  readonly normalize: boolean
}

/** Farther from unit length than rounding to 32 bit floats explains. */
const lengthTolerance = 1e-6

/** The vectors of an answer, one after the other. Throws EMBED_FAILED when one has another size, is zero or not finite. */
export function packVectors(rows: readonly unknown[], { dimensions, normalize }: VectorRules): Float32Array {
  const vectors = rows.map(vectorOf)
  const size = dimensions ?? vectors[0]?.length ?? 0
  const packed = new Float32Array(rows.length * size)
  for (const [row, vector] of vectors.entries()) {
    if (vector.length !== size) throw otherSpace(`a vector of ${vector.length} dimensions came instead of ${size}`)
    packed.set(checked(vector, normalize), row * size)
  }
  return packed
}

function vectorOf(row: unknown): Float32Array {
  if (typeof row === 'string') return vectorOfBase64(row)
  if (!Array.isArray(row) || row.length === 0) throw malformed('vectors')
  // What is no number, JSON's null for NaN too, becomes NaN.
  return Float32Array.from(row, (value: unknown) => (typeof value === 'number' ? value : Number.NaN))
}

function vectorOfBase64(row: string): Float32Array {
  const bytes = Buffer.from(row, 'base64')
  if (bytes.length === 0 || bytes.length % 4 !== 0) throw malformed('vectors in base64')
  return new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length))
}

function checked(vector: Float32Array, normalize: boolean): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
  if (!Number.isFinite(length)) throw misfit('the model gives no finite vector for a text')
  if (length === 0) throw misfit('the model gives a text a vector of zeros')
  if (!normalize || Math.abs(length - 1) <= lengthTolerance) return vector
  return vector.map((value) => value / length)
}
