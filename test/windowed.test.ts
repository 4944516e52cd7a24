import { describe, expect, test } from 'vitest'
import { string } from '../src/serde.ts'
import { sessionKey, sessionWindowed, splitWindowKey, timeWindowed, windowKey } from '../src/windowed.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('keys of windows have the bytes of Kafka Streams', () => {
  test('in the changelog of a window store: key, start, sequence', () => {
    const bytes = windowKey(Buffer.from('a'), 1000)

    expect(hex(bytes)).toBe('6100000000000003e800000000')
    expect(splitWindowKey(bytes)).toEqual({ key: Buffer.from('a'), startMs: 1000 })
  })

  test('in the changelog of a session store: key, end, start', () => {
    expect(hex(sessionKey(Buffer.from('a'), { startMs: 99, endMs: 100 }))).toBe('6100000000000000640000000000000063')
  })

  test('in a topic: key and start, where the size says the end; or key, end, start', () => {
    const windowed = { key: 'a', window: { startMs: 100, endMs: 150 } }
    const time = timeWindowed(string, 50)
    const sessions = sessionWindowed(string)

    expect(hex(time.serialize(windowed))).toBe('610000000000000064')
    expect(time.deserialize(time.serialize(windowed))).toEqual(windowed)
    expect(sessions.deserialize(sessions.serialize(windowed))).toEqual(windowed)
  })

  test('bytes that are too few are no key', () => {
    expect(() => sessionWindowed(string).deserialize(Buffer.from('short'))).toThrow(
      expect.objectContaining({ code: 'RECORD_UNDECODABLE', fact: '5 bytes are no key of a window' }),
    )
  })
})
