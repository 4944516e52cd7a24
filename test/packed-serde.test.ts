import fc from 'fast-check'
import { expect, test } from 'vitest'
import { packed, packOptional, unpackOptional } from '../src/packed-serde.ts'
import { string } from '../src/serde.ts'

test('parts come back as they went in, missing ones too', () => {
  type Pair = readonly [string | null, string | null]
  const pairs = packed(
    'pair',
    ([a, b]: Pair) => [packOptional(a, string), packOptional(b, string)] as const,
    ([a, b]): Pair => [unpackOptional(a, string), unpackOptional(b, string)],
  )
  const part = fc.option(fc.string())

  const property = fc.property(part, part, (a, b) => {
    const read = pairs.deserialize(pairs.serialize([a, b]))

    expect(read).toEqual([a, b])
  })

  fc.assert(property)
})
