/** The functions that the recorded topologies use. */

/** A value that is not a number counts as 0. */
export function num(value: unknown): number {
  return typeof value === 'number' ? value : 0
}

export function fold31(aggregate: unknown, value: unknown): number {
  return (num(aggregate) * 31 + num(value)) % 1_000_003
}

export function merge41(aggregate: number, next: number): number {
  return (aggregate * 41 + next) % 1_000_003
}

export function isEven(value: unknown): boolean {
  return typeof value === 'number' && value % 2 === 0
}

/** For `reduce`, whose values may be anything. */
export const foldAny: (aggregate: unknown, value: unknown) => unknown = fold31
