import { string } from '../../src/serde.ts'
import type { StoreSpec } from '../../src/state/store.ts'

/** What the generation writer writes, and what is looked for after it was killed. */
export const generationStores = ['first', 'second'].map((name) => ({
  kind: 'key-value',
  name,
  key: string,
  value: string,
})) as StoreSpec[]

export const generationKeys = Array.from({ length: 1000 }, (_, index) => `key ${index}`)

/** Large enough that writing a generation takes some milliseconds, in which it can be killed. */
export function generationValue(generation: number): string {
  return `${generation} `.padEnd(4000, '.')
}

/** The least that a generation takes on disk. */
export const generationBytes = generationStores.length * generationKeys.length * generationValue(1).length
