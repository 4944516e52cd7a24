import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeRecord, encodeRecord, removableAtOf } from '../../../src/connectors/embedded/record-codec.ts'

const nullableBytes = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: null })
const record = fc.record({
  key: nullableBytes,
  value: nullableBytes,
  timestamp: fc.maxSafeNat(),
  headers: fc.array(fc.record({ key: fc.string({ unit: 'binary' }), value: nullableBytes }), { maxLength: 4 }),
})

/** The class of the bytes does not matter. */
const plain = (bytes: Uint8Array | null) => bytes && [...bytes]

describe('the record codec', () => {
  test('gives back every record', () => {
    fc.assert(
      fc.property(record, fc.maxSafeNat(), (written, offset) => {
        const read = decodeRecord(offset, encodeRecord(written))

        expect([read.offset, read.timestamp]).toEqual([offset, written.timestamp])
        expect([plain(read.key), plain(read.value)]).toEqual([plain(written.key), plain(written.value)])
        expect(read.headers.map(({ key, value }) => [key, plain(value)])).toEqual(
          written.headers.map(({ key, value }) => [key, plain(value)]),
        )
      }),
    )
  })

  test('a tombstone says from when on it may be removed', () => {
    const tombstone = { key: Buffer.from('key'), value: null, timestamp: 7, headers: [] }

    const met = encodeRecord(tombstone, 1_700_000_000_000)

    expect(removableAtOf(encodeRecord(tombstone))).toBeUndefined()
    expect(removableAtOf(met)).toBe(1_700_000_000_000)
    expect(removableAtOf(encodeRecord(tombstone, 0))).toBe(0)
    expect(decodeRecord(3, met)).toMatchObject({ offset: 3, timestamp: 7, value: null })
  })
})
