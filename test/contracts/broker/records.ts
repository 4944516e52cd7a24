import { describe, expect, test } from 'vitest'
import { StreamError } from '../../../src/errors.ts'
import type { Headers } from '../../../src/record.ts'
import type { LogRecord, ProducerRecord } from '../../../src/runtime/broker.ts'
import { type BrokerCapabilities, type Log, numbered, text, valuesOf } from './harness.ts'
import { TestMember } from './member.ts'

const bytes = (content: string): Uint8Array => Uint8Array.from(Buffer.from(content))

/** What a record says, without the class of its bytes. */
function plain({ key, value, timestamp, headers }: Omit<LogRecord, 'offset'>) {
  const content = (data: Uint8Array | null) => data && Buffer.from(data).toString('hex')
  return {
    key: content(key),
    value: content(value),
    timestamp,
    headers: headers.map((header) => [header.key, content(header.value)]),
  }
}

export function recordFeatures(log: Log, capabilities: BrokerCapabilities): void {
  const { repeatedHeaderKeys = true, nullHeaderValues = true } = capabilities

  async function roundTrip(headers: Headers): Promise<Headers> {
    const topic = await log.topic()
    const producer = await log.producer()
    await producer.send([{ ...text({ topic, partition: 0 }, 'value'), headers }])
    const [record] = await log.read({ topic, partition: 0 })
    return (record?.headers ?? []).map(({ key, value }) => ({ key, value: value && Uint8Array.from(value) }))
  }

  describe('records', () => {
    test('a record comes back as it was written', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const allBytes = Uint8Array.from({ length: 256 }, (_, index) => index)
      const written: ProducerRecord[] = [
        { ...place, key: bytes('key'), value: bytes('value'), timestamp: 1_600_000_000_123, headers: [] },
        { ...place, key: null, value: bytes('without a key'), timestamp: 1, headers: [] },
        { ...place, key: bytes('deleted'), value: null, timestamp: 2, headers: [] },
        { ...place, key: null, value: null, timestamp: 3, headers: [] },
        { ...place, key: new Uint8Array(), value: new Uint8Array(), timestamp: 4, headers: [] },
        { ...place, key: allBytes, value: allBytes, timestamp: 5, headers: [{ key: 'h', value: allBytes }] },
      ]
      const producer = await log.producer()

      await producer.send(written)
      const read = await log.read(place)
      const member = await TestMember.join(log.broker, { group: log.name('group'), topics: [topic] })
      await log.eventually(() => expect(member.records(place)).toHaveLength(written.length))

      expect(read.map(plain)).toEqual(written.map(plain))
      expect(member.records(place).map(plain)).toEqual(written.map(plain))
    })

    test('what a guard refuses is not written, and what is sent before and after it is', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const producer = await log.producer()
      const refusing = () => {
        throw new StreamError('COMMIT_FAILED', 'the lease has ended')
      }

      const first = producer.send([text(place, 'one')], () => undefined)
      const second = producer.send([text(place, 'two')], refusing)
      const refused = expect(second).rejects.toMatchObject({ code: 'COMMIT_FAILED' })
      await Promise.all([first, refused])
      await producer.send([text(place, 'three')])

      expect(valuesOf(await log.read(place))).toEqual(['one', 'three'])
    })

    test('headers keep their order', async () => {
      const headers = [
        { key: 'zebra', value: bytes('1') },
        { key: 'ape', value: bytes('') },
        { key: 'ünïcödé', value: bytes('ß') },
      ]

      expect(await roundTrip(headers)).toEqual(headers)
    })

    test.runIf(repeatedHeaderKeys)('headers with the same key are all kept', async () => {
      const headers = ['1', '2', '1'].map((value) => ({ key: 'again', value: bytes(value) }))

      expect(await roundTrip(headers)).toEqual(headers)
    })

    test.runIf(nullHeaderValues)('a header may be null', async () => {
      const headers = [
        { key: 'null', value: null },
        { key: 'empty', value: bytes('') },
      ]

      expect(await roundTrip(headers)).toEqual(headers)
    })

    test('a send tells the offset of each of its records', async () => {
      const topic = await log.topic(2)
      const first = { topic, partition: 0 }
      const second = { topic, partition: 1 }
      await log.send(first, 'before')
      const producer = await log.producer()

      const offsets = await producer.send([text(first, 'a'), text(second, 'b'), text(first, 'c'), text(second, 'd')])

      expect(offsets).toEqual([1, 0, 2, 1])
      expect((await log.read(first)).map(({ offset }) => offset)).toEqual([0, 1, 2])
      expect(valuesOf(await log.read(second))).toEqual(['b', 'd'])
    })

    test('sends that run at the same time keep their order', async () => {
      const topic = await log.topic()
      const place = { topic, partition: 0 }
      const producer = await log.producer()
      const values = numbered(200)

      const offsets = await Promise.all(values.map((value) => producer.send([text(place, value)])))

      expect(valuesOf(await log.read(place))).toEqual(values)
      expect(offsets.flat()).toEqual(values.map((_, index) => index))
    })

    test('an empty send does nothing', async () => {
      const producer = await log.producer()

      expect(await producer.send([])).toEqual([])
    })

    test('a record that is too large is refused by its index, and the producer goes on', async () => {
      const topic = await log.topic(1, { settings: { 'max.message.bytes': '10000' } })
      const place = { topic, partition: 0 }
      const producer = await log.producer()

      const refused = producer.send([text(place, 'x'.repeat(20_000))])

      await expect(refused).rejects.toMatchObject({ code: 'RECORD_REJECTED', details: { index: 0 } })
      await producer.send([text(place, 'small')])
      expect(valuesOf(await log.read(place))).toEqual(['small'])
    })

    test('a compacted topic refuses a record without a key', async () => {
      const topic = await log.topic(1, { cleanup: 'compact' })
      const producer = await log.producer()

      const refused = producer.send([text({ topic, partition: 0 }, 'value', null)])

      await expect(refused).rejects.toMatchObject({ code: 'RECORD_REJECTED', details: { index: 0 } })
    })

    test('a closed producer takes nothing', async () => {
      const topic = await log.topic()
      const producer = await log.producer()

      await producer.close()

      await expect(producer.send([text({ topic, partition: 0 }, 'late')])).rejects.toMatchObject({
        name: 'StreamError',
      })
    })
  })
}
