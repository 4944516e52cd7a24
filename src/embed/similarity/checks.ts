import { StreamError } from '../../errors.ts'
import { typeNameOf } from '../option-values.ts'
import type { Vector } from './kernels.ts'

/** Throws VECTOR_INVALID like `requireFinite`, and for what has no dimensions. */
export function requireVector(vector: Vector, name: string): void {
  requireFinite(vector, name)
  if (!(vector.length >= 1)) throw invalid(`${name} has no dimensions`)
}

/**
 * Throws VECTOR_INVALID for what is no vector, or has something in it that is no number, or not finite in single precision: if it is, no
 * product of two numbers leaves the range of a double. `name` is what the error calls the vector.
 */
export function requireFinite(vector: Vector, name: string): void {
  if (typeof vector !== 'object' || vector === null || typeof vector.length !== 'number')
    throw invalid(`${name} is no vector but ${typeNameOf(vector)}`)
  for (let at = 0; at < vector.length; at++) {
    const value: unknown = vector[at]
    if (typeof value === 'number' && Number.isFinite(Math.fround(value))) continue
    throw invalid(`${name} holds ${typeof value === 'number' ? value : typeNameOf(value)} at ${at}`)
  }
}

/** Throws CONFIG_INVALID for what is no array; what is in it is not looked at. */
export function requireArray(vectors: readonly Vector[], name: string): void {
  if (!Array.isArray(vectors))
    throw new StreamError('CONFIG_INVALID', `${name} must be an array, not ${typeNameOf(vectors)}`)
}

/** Throws VECTOR_INVALID when two vectors cannot be of one space. */
export function requireSameLength(a: Vector, b: Vector, name: string): void {
  if (a.length !== b.length) throw invalid(`${name} has ${b.length} dimensions, it is compared with one of ${a.length}`)
}

/** Throws VECTOR_INVALID when there is no direction. */
export function requireDirection(vector: Vector, name: string): void {
  for (let at = 0; at < vector.length; at++) if (Math.fround(vector[at] ?? 0) !== 0) return
  throw invalid(`${name} is zero: it has no direction`)
}

/** Throws CONFIG_INVALID. */
export function requireWhole(value: number, name: string, least: number): void {
  if (Number.isInteger(value) && value >= least) return
  const shown = typeof value === 'number' ? value : typeNameOf(value)
  throw new StreamError('CONFIG_INVALID', `${name} must be a whole number from ${least}, not ${shown}`)
}

function invalid(fact: string): StreamError {
  return new StreamError('VECTOR_INVALID', fact)
}
