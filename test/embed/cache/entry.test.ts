import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeEntry, encodeEntry, entryBytes, isVector } from '../../../src/embed/cache/entry.ts'
import { anyEntry, entryOf } from './entries.ts'

test('an entry comes back as it was', () => {
  fc.assert(
    fc.property(anyEntry(5), (entry) => {
      expect(decodeEntry(encodeEntry(entry), 5)).toEqual(entry)
    }),
  )
})

test('an entry has the size that the bounds count with', () => {
  expect(encodeEntry(entryOf('a', 384))).toHaveLength(entryBytes(384))
})

test('no bit can change, and no byte be missing, without its being noticed', () => {
  fc.assert(
    fc.property(anyEntry(3), fc.nat(), fc.nat(7), (entry, place, bit) => {
      const encoded = encodeEntry(entry)
      const damaged = Uint8Array.from(encoded)
      const at = place % damaged.length
      damaged[at] = (damaged[at] ?? 0) ^ (1 << bit)

      expect(decodeEntry(damaged, 3)).toBeUndefined()
      expect(decodeEntry(encoded.subarray(0, at), 3)).toBeUndefined()
    }),
  )
})

test('a vector of another length, or with something that is no number, is none', () => {
  const holding = (value: number) => ({ ...entryOf('a', 3), vector: Float32Array.of(1, value, 0) })

  expect(decodeEntry(encodeEntry(entryOf('a', 3)), 4)).toBeUndefined()
  expect(decodeEntry(encodeEntry(holding(Number.NaN)), 3)).toBeUndefined()
  expect(decodeEntry(encodeEntry(holding(Number.POSITIVE_INFINITY)), 3)).toBeUndefined()
  expect(isVector(Float32Array.of(0, 0, 0), 3)).toBe(true)
})
