import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readTime, timeBytes, writeTime } from '../src/time-bytes.ts'

describe('a time in eight bytes', () => {
  test('is what Java writes for a long, and is read back', () => {
    const property = fc.property(fc.maxSafeInteger(), fc.nat(5), (timeMs, position) => {
      const expected = Buffer.alloc(position + timeBytes)
      expected.writeBigInt64BE(BigInt(timeMs), position)
      const bytes = Buffer.alloc(position + timeBytes)

      const end = writeTime(bytes, timeMs, position)

      expect([bytes, end]).toEqual([expected, position + timeBytes])
      expect(readTime(bytes, position)).toBe(timeMs)
    })

    fc.assert(property)
  })

  test.each([0.5, Number.NaN, 2 ** 53])('%d is refused', (timeMs) => {
    expect(() => writeTime(Buffer.alloc(timeBytes), timeMs)).toThrow(RangeError)
  })
})
