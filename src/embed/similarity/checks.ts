import { StreamError } from '../../errors.ts'
import type { Vector } from './kernels.ts'

/**
 * Throws VECTOR_INVALID unless every number is finite in single precision: then no product of two leaves the range of a double.
 * `name` is what the error calls the vector.
 */
export function requireFinite(vector: Vector, name: string): void {
  for (let at = 0; at < vector.length; at++)
    if (!Number.isFinite(Math.fround(vector[at] ?? 0))) throw invalid(`${name} holds ${vector[at]} at ${at}`)
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
  if (!Number.isInteger(value) || value < least)
    throw new StreamError('CONFIG_INVALID', `${name} must be a whole number from ${least}, not ${value}`)
}

function invalid(fact: string): StreamError {
  return new StreamError('VECTOR_INVALID', fact)
}
