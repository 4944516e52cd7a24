import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  coordinatorPartition,
  decodeTransactionEntry,
  javaHashCode,
} from '../../../src/connectors/kafka/transaction-log.ts'

// Of Kafka 4.3.1: the id is "exactly_once-0_3".
const key = Buffer.from('0000001065786163746c795f6f6e63652d305f33', 'hex')
const prepared = Buffer.from(
  '0001000000000000000700000000ea6002041e65786163746c795f6f6e63652d636f756e74732d6368616e67656c6f6702000000030015636f756e7465642d65786163746c795f6f6e6365020000000300135f5f636f6e73756d65725f6f666673657473020000000000000001a1fff6c785000001a1fff6c6d00100080000000000000007',
  'hex',
)
const completed = Buffer.from(
  '0001000000000000000700000000ea600401000001a1fff6c78b000001a1fff6c6d00100080000000000000007',
  'hex',
)
// Version 0, as Kafka 2 and 3 write it: two partitions of one topic, "out", and an abort that is prepared.
const older = Buffer.from(
  '0000000000000000000700020000ea60030000000100036f757400000002000000010000000400000000000000010000000000000001',
  'hex',
)

describe('the transaction log', () => {
  test('tells what was decided, and which partitions the transaction has touched', () => {
    expect(decodeTransactionEntry({ key, value: prepared })).toEqual({
      transactionalId: 'exactly_once-0_3',
      producerId: '7',
      state: 'prepare-commit',
      partitions: [
        { topic: 'exactly_once-counts-changelog', partition: 3 },
        { topic: 'counted-exactly_once', partition: 3 },
        { topic: '__consumer_offsets', partition: 0 },
      ],
    })
  })

  test('tells of no partitions once a transaction is complete', () => {
    expect(decodeTransactionEntry({ key, value: completed })).toMatchObject({
      state: 'complete-commit',
      partitions: [],
    })
  })

  test('is read in the format of older brokers, too', () => {
    expect(decodeTransactionEntry({ key, value: older })).toMatchObject({
      producerId: '7',
      state: 'prepare-abort',
      partitions: [
        { topic: 'out', partition: 1 },
        { topic: 'out', partition: 4 },
      ],
    })
  })

  test.each([
    ['a tombstone', key, null],
    ['a key of another version', Buffer.from('00010000', 'hex'), prepared],
    ['a value of another version', key, Buffer.from(`0009${prepared.toString('hex', 2)}`, 'hex')],
  ])('says nothing in %s', (_, otherKey, value) => {
    expect(decodeTransactionEntry({ key: otherKey, value })).toBeUndefined()
  })

  test('says nothing where a record is cut off or garbled, and is never an error', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat({ max: prepared.length }), (noise, length) => {
        const garbled = Buffer.concat([prepared.subarray(0, length), noise])
        expect(() => decodeTransactionEntry({ key, value: garbled })).not.toThrow()
        expect(() => decodeTransactionEntry({ key: garbled, value: prepared })).not.toThrow()
      }),
    )
  })
})

describe('the partition of a coordinator', () => {
  test.each([
    ['', 0],
    ['hello', 99_162_322],
    ['exactly_once-0_3', 743_795_883],
    ['polygenelubricants', -(2 ** 31)],
    ['Größe', 69_209_585],
  ])('%j has the hash code that Java gives it', (text, hash) => {
    expect(javaHashCode(text)).toBe(hash)
  })

  test('is none below zero, also for the one hash code that has no absolute value', () => {
    expect(coordinatorPartition('polygenelubricants', 50)).toBe(0)
    fc.assert(
      fc.property(fc.string({ maxLength: 20 }), fc.integer({ min: 1, max: 100 }), (id, partitions) => {
        const partition = coordinatorPartition(id, partitions)
        expect(partition >= 0 && partition < partitions).toBe(true)
      }),
    )
  })
})
