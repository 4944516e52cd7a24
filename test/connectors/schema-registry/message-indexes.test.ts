import fc from 'fast-check'
import { expect, test } from 'vitest'
import { messageIn, withPath } from '../../../src/connectors/schema-registry/message-indexes.ts'

const message = Uint8Array.of(10, 1, 97)

test.each([
  ['the first message', [0], [0]],
  ['the second message', [1], [2, 2]],
  ['the first inside of the second', [1, 0], [4, 2, 0]],
  ['a message far down', [64, 300], [4, 0x80, 1, 0xd8, 4]],
])('%s of a file has the path that the documentation of the format gives it', (_, path, bytes) => {
  expect([...withPath(path, message)]).toEqual([...bytes, ...message])
  const read = messageIn(withPath(path, message))
  expect([read.path, [...read.message]]).toEqual([path, [...message]])
})

test('the first message may also be written out', () => {
  expect(messageIn(Uint8Array.of(2, 0, 7)).path).toEqual([0])
})

test('every path is read as it was written', () => {
  const paths = fc.array(fc.nat({ max: 2 ** 31 - 1 }), { minLength: 1, maxLength: 100 })

  fc.assert(
    fc.property(paths, (path) => {
      expect(messageIn(withPath(path, message)).path).toEqual(path)
    }),
  )
})

test.each([
  ['nothing', []],
  ['a path that ends', [4, 2]],
  ['a number that never ends', [0xff, 0xff, 0xff, 0xff, 0xff, 1]],
  ['a negative count', [3]],
  ['a count that nobody has', [0xd0, 0x0f, 0]],
])('%s is no path', (_, bytes) => {
  expect(() => messageIn(Uint8Array.of(...bytes))).toThrow(/path to its message/)
})
