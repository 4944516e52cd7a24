import { describe, expect, test } from 'vitest'
import { pointIds } from '../../../src/operators/manifest/point-id.ts'

const identity = { key: 'guide.md', hash: '00112233445566778899aabbccddeeff', occurrence: 0 }

describe('the id of a point', () => {
  test('is a UUID of version 5, and never another one', () => {
    const id = pointIds('0123456789abcdef')(identity)

    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    // The ids are in the indexes of users: whatever changes this line re-indexes all of them.
    expect(id).toBe('8ab00400-3938-557f-853e-592bdb1fdcc6')
  })

  test('differs in pipeline, document, chunk and occurrence', () => {
    const idOf = pointIds('a')
    const ids = [
      idOf(identity),
      pointIds('b')(identity),
      idOf({ ...identity, key: 'other.md' }),
      idOf({ ...identity, hash: '00112233445566778899aabbccddeefe' }),
      idOf({ ...identity, occurrence: 1 }),
      idOf({ ...identity, occurrence: 11, key: '/guide.md' }),
      idOf({ ...identity, occurrence: 1, key: '1/guide.md' }),
    ]

    expect(new Set(ids).size).toBe(ids.length)
  })
})
