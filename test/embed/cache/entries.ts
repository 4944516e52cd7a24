import fc from 'fast-check'
import { keysOf } from '../../../src/embed/cache/cache-key.ts'
import type { CacheEntry } from '../../../src/embed/cache/entry.ts'

const keyOf = keysOf('test')

/** The entry of a text: its vector is made of its characters. */
export function entryOf(text: string, dimensions: number, madeAt = 0): CacheEntry {
  const vector = Float32Array.from({ length: dimensions }, (_, at) => (text.charCodeAt(at % text.length) || 1) / 100)
  return { key: keyOf(text, 'passage'), vector, madeAt, truncated: text.length > 8 }
}

export function anyEntry(dimensions: number): fc.Arbitrary<CacheEntry> {
  const numbers = fc.float({ noNaN: true, noDefaultInfinity: true })
  return fc.record({
    key: fc.string().map((text) => keyOf(text, 'query')),
    vector: fc
      .array(numbers, { minLength: dimensions, maxLength: dimensions })
      .map((values) => Float32Array.from(values)),
    madeAt: fc.double({ noNaN: true }),
    truncated: fc.boolean(),
  })
}
