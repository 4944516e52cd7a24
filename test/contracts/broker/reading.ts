import { describe, expect, test } from 'vitest'
import type { LogRecord } from '../../../src/runtime/broker.ts'
import { contentOf, type Log, numbered, text, valuesOf } from './harness.ts'

/** Reading without a group. */
export function readingFeatures(log: Log): void {
  describe('reading without a group', () => {
    test('ends at the end of the log, from any offset', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      await log.send(place, ...numbered(20))

      expect(valuesOf(await log.read(place))).toEqual(numbered(20))
      expect(valuesOf(await log.read(place, 15))).toEqual(numbered(20).slice(15))
      expect(await log.read(place, 20)).toEqual([])
    })

    test('an empty partition has nothing', async () => {
      const place = { topic: await log.topic(), partition: 0 }

      expect(await log.read(place)).toEqual([])
    })

    test('batches follow one another without a gap and end at the latest offset', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const values = numbered(40).map((value) => value.padEnd(100_000, '.'))
      const producer = await log.producer()
      for (const value of values) await producer.send([text(place, value)])
      const positions = [0]

      for await (const { records, next } of log.broker.read(place, 0)) {
        for (const { offset } of records) {
          expect(offset).toBeGreaterThanOrEqual(positions.at(-1) ?? 0)
          expect(offset).toBeLessThan(next)
        }
        positions.push(next)
      }

      expect(positions.length).toBeGreaterThan(2)
      expect(positions).toEqual(positions.toSorted((a, b) => a - b))
      expect(positions.at(-1)).toBe((await log.broker.offsets([place]))[0]?.latest)
    })

    test('what is written while it reads is left for the next read', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const values = numbered(40).map((value) => value.padEnd(100_000, '.'))
      const producer = await log.producer()
      for (const value of values) await producer.send([text(place, value)])
      const read: LogRecord[] = []

      for await (const { records } of log.broker.read(place, 0)) {
        if (read.length === 0) await producer.send([text(place, 'later')])
        read.push(...records)
      }

      expect(valuesOf(read)).toEqual(values)
      expect(valuesOf(await log.read(place, 40))).toEqual(['later'])
    })

    test('an aborted read stops', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const values = numbered(40).map((value) => value.padEnd(100_000, '.'))
      const producer = await log.producer()
      for (const value of values) await producer.send([text(place, value)])
      const abort = new AbortController()
      let count = 0

      const reading = (async () => {
        for await (const { records } of log.broker.read(place, 0, abort.signal)) {
          count += records.length
          abort.abort(new Error('enough'))
        }
      })()

      await expect(reading).rejects.toThrow('enough')
      expect(count).toBeLessThan(values.length)
    })

    test('a compacted topic keeps the last value of each key, at its offset and in order', async () => {
      // Kafka compacts closed segments only: they are made short, and further records close them.
      const topic = await log.topic(1, {
        cleanup: 'compact',
        settings: {
          'min.cleanable.dirty.ratio': '0.001',
          'segment.ms': '1000',
          'max.compaction.lag.ms': '1000',
          'delete.retention.ms': '0',
        },
      })
      const place = { topic, partition: 0 }
      const producer = await log.producer()
      const write = (key: string, value: string) => producer.send([text(place, value, key)])
      for (const version of ['old', 'newer', 'newest']) {
        for (const key of ['a', 'b', 'c']) await write(key, `${version} ${key}`)
      }
      await producer.send([{ ...text(place, '', 'b'), value: null }])

      await log.eventually(async () => {
        // Kafka closes a segment by the time of its records.
        await producer.send([{ ...text(place, 'tick', 'clock'), timestamp: Date.now() }])
        const kept = (await log.read(place)).filter(
          ({ key, value }) => value && Buffer.from(key ?? '').toString() !== 'clock',
        )
        expect(kept.map((record) => [record.offset, contentOf(record)])).toEqual([
          [6, 'newest a'],
          [8, 'newest c'],
        ])
      })
      expect(valuesOf(await log.read(place, 3))).toContain('newest a')
    })
  })
}
