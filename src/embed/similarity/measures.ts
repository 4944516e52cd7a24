import { requireDirection, requireFinite, requireSameLength, requireVector } from './checks.ts'
import { cosineOf, dotOf, manhattanOf, squaredDistanceOf, type Vector } from './kernels.ts'

/**
 * Cosine of the angle between two vectors: 1 for the same direction, 0 for a right angle, -1 for opposite directions.
 *
 * This function, like all others that compare vectors, throws VECTOR_INVALID for what is no vector or has no dimensions, for what is no
 * finite number in it, and for vectors of different lengths; where directions are compared, for a zero vector as well.
 *
 * @example
 * const [cat, dog] = await embedder.embed(['a cat', 'a dog'])
 * cosine(cat, dog) // 0.66
 */
export function cosine(a: Vector, b: Vector): number {
  requirePair(a, b)
  requireDirection(a, 'the first vector')
  requireDirection(b, 'the second vector')
  return cosineOf(a, b)
}

/** Sum of the products: the cosine when both vectors have unit length, and several times as fast. */
export function dot(a: Vector, b: Vector): number {
  requirePair(a, b)
  return dotOf(a, b)
}

/** Length of the straight line between two points: 0 for equal ones. */
export function euclidean(a: Vector, b: Vector): number {
  requirePair(a, b)
  return Math.sqrt(squaredDistanceOf(a, b))
}

/** Sum of the differences along the axes: 0 for equal points. */
export function manhattan(a: Vector, b: Vector): number {
  requirePair(a, b)
  return manhattanOf(a, b)
}

/** The vector of unit length (Euclidean norm) in the same direction, in memory of its own. Throws VECTOR_INVALID for a zero vector. */
export function normalize(vector: Vector): Float32Array {
  requireFinite(vector, 'the vector')
  requireDirection(vector, 'the vector')
  const length = Math.sqrt(dotOf(vector, vector))
  return Float32Array.from(vector, (value) => value / length)
}

function requirePair(a: Vector, b: Vector): void {
  requireVector(a, 'the first vector')
  requireVector(b, 'the second vector')
  requireSameLength(a, b, 'the second vector')
}
