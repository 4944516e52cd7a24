import { StreamError } from './errors.ts'

/**
 * Throws CONFIG_INVALID for a number that is smaller, or none.
 *
 * @example
 * requireAtLeast(0, 'graceMs of join "orders"', -1) // CONFIG_INVALID: graceMs of join "orders" is -1. Give 0 or more.
 */
export function requireAtLeast(least: number, name: string, value: number): void {
  if (value >= least) return
  throw new StreamError('CONFIG_INVALID', `${name} is ${value}`, { fix: `Give ${least} or more.` })
}
