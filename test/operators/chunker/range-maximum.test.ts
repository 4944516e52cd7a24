import fc from 'fast-check'
import { expect, test } from 'vitest'
import { RangeMaximum } from '../../../src/operators/chunker/range-maximum.ts'

test('finds what a search from left to right finds, in every range', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 1, maxLength: 20 }), (values) => {
      const maximum = new RangeMaximum(Float64Array.from(values))

      for (let from = 0; from < values.length; from++) {
        for (let to = from; to < values.length; to++) {
          const range = values.slice(from, to + 1)
          expect(maximum.indexOf(from, to)).toBe(from + range.indexOf(Math.max(...range)))
        }
      }
    }),
  )
})

test('an empty range has none', () => {
  expect(new RangeMaximum(Float64Array.of(1, 2)).indexOf(1, 0)).toBeUndefined()
})
