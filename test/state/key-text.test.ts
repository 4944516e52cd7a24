import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { afterPrefix, keyText } from '../../src/state/key-text.ts'

describe('key texts', () => {
  test('compare like the bytes they stand for', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
        const order = Buffer.compare(a, b)

        expect(Math.sign(order)).toBe(keyText(a) < keyText(b) ? -1 : keyText(a) > keyText(b) ? 1 : 0)
      }),
    )
  })
})

describe('the end of a prefix', () => {
  test('lies after every key with the prefix and not after any other greater key', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1 }), fc.uint8Array(), (prefix, other) => {
        const end = afterPrefix(prefix)
        const within = keyText(other).startsWith(keyText(prefix))
        const before = keyText(other) >= keyText(prefix) && (!end || keyText(other) < keyText(end))

        expect(before).toBe(within)
      }),
    )
  })

  test('leaves the prefix as it was', () => {
    const prefix = Buffer.from('abc')

    afterPrefix(prefix)

    expect(prefix.toString()).toBe('abc')
  })

  test('does not exist after the last possible keys', () => {
    expect(afterPrefix(Uint8Array.of(255, 255))).toBeUndefined()
    expect(afterPrefix(new Uint8Array(0))).toBeUndefined()
    expect(afterPrefix(Uint8Array.of(1, 255))).toEqual(Uint8Array.of(2))
  })
})
