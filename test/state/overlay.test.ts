import { describe, expect, test } from 'vitest'
import { Overlay, type OverlayEntry } from '../../src/state/overlay.ts'

const entry = (key: string, value: string | null): OverlayEntry => ({
  key: Buffer.from(key),
  bytes: value === null ? null : Buffer.from(value),
  value: value ?? undefined,
})

function overlayOf(...writes: [generation: number, key: string, value: string | null][]): Overlay {
  const overlay = new Overlay()
  for (const [generation, key, value] of writes) overlay.put(generation, key, entry(key, value))
  return overlay
}

const valuesIn = (overlay: Overlay, generation: number) =>
  [...overlay.changes(generation)].map(([text, { value }]) => [text, value])

describe('the overlay of a store', () => {
  test('tells a deleted key from one that it does not know', () => {
    const overlay = overlayOf([1, 'a', '1'], [2, 'a', null])

    expect(overlay.lookup('a')).toMatchObject({ bytes: null })
    expect(overlay.lookup('b')).toBeUndefined()
  })

  test('knows the last value of each key of a generation, in the order of these writes', () => {
    const overlay = overlayOf([1, 'b', '1'], [1, 'a', '1'], [2, 'c', '1'], [1, 'b', '2'], [1, 'd', null])

    expect(valuesIn(overlay, 1)).toEqual([
      ['a', '1'],
      ['b', '2'],
      ['d', undefined],
    ])
    expect(valuesIn(overlay, 2)).toEqual([['c', '1']])
    expect(valuesIn(overlay, 3)).toEqual([])
  })

  test('uncovers the older generation, and keeps the newer one, when a generation is dropped', () => {
    const overlay = overlayOf([1, 'a', '1'], [2, 'a', '2'], [2, 'b', '2'], [3, 'b', '3'])

    overlay.drop(2)

    expect(overlay.lookup('a')?.value).toBe('1')
    expect(overlay.lookup('b')?.value).toBe('3')
    expect(overlay.oldest).toBe(1)
  })

  test('goes on in key order after writes that come later than the first range', () => {
    const overlay = overlayOf([1, 'c', '1'])
    const keys = () => [...overlay.range({}).map(([text]) => text)]

    const first = keys()
    overlay.put(1, 'a', entry('a', '1'))
    overlay.put(2, 'b', entry('b', '2'))
    overlay.put(1, 'b', entry('b', '1'))

    expect(first).toEqual(['c'])
    expect(keys()).toEqual(['a', 'b', 'c'])
    expect(overlay.range({ gte: 'b', lte: 'b' }).next().value?.[1].value).toBe('2')
  })

  test('counts the bytes that each generation holds: a value that is replaced is not counted twice', () => {
    const small = overlayOf([1, 'a', 'x'])
    const overlay = overlayOf([1, 'a', 'x'.repeat(1000)], [1, 'a', 'x'], [2, 'a', 'x'], [2, 'b', null])

    expect(overlay.bytes(1)).toBe(small.bytes(1))
    expect(overlay.bytes(2)).toBeGreaterThan(overlay.bytes(1))
    expect(overlay.bytes()).toBe(overlay.bytes(1) + overlay.bytes(2))
    overlay.drop(1)
    overlay.drop(2)
    expect(overlay.bytes()).toBe(0)
  })
})
