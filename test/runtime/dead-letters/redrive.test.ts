import { describe, expect, test } from 'vitest'
import { type EmbeddedBroker, embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { mapValues } from '../../../src/operators/map-values.ts'
import { headerText } from '../../../src/record.ts'
import type { Broker, ProducerRecord, Transaction } from '../../../src/runtime/broker.ts'
import { readLetters } from '../../../src/runtime/dead-letters/dead-letter-topic.ts'
import { redrive } from '../../../src/runtime/dead-letters/redrive.ts'
import { TopologyTestDriver } from '../../../src/runtime/topology-test-driver.ts'
import { string } from '../../../src/serde.ts'
import {
  type LetterLog,
  letterLog,
  letterTopic,
  recordOf,
  send,
  source,
  strangeLetter,
} from '../../support/dead-letters.ts'
import { finishing, topologyTo } from '../../support/instance.ts'
import { readAll } from '../../support/log-records.ts'
import { overlaid } from '../../support/overlaid.ts'
import { RecordingSink } from '../../support/recording-sink.ts'

const none = { letters: 0, redriven: 0, superseded: 0, before: 0, gone: 0, unplaced: 0, refused: 0, repeated: 0 }

/** The log, with a transaction that does something of its own when records are sent. */
function sendingAs(
  log: LetterLog,
  sending: (transaction: Transaction, records: readonly ProducerRecord[]) => Promise<readonly number[]>,
) {
  return overlaid<Broker>(log.broker, {
    producer: async (options) => {
      const producer = await log.broker.producer(options)
      return overlaid(producer, {
        begin: async () => {
          const transaction = await producer.begin()
          return overlaid(transaction, { send: (records) => sending(transaction, records) })
        },
      })
    },
  })
}

describe('records that are put back', () => {
  test('lie in their source again, in their order, as they were, and say what they are copies of', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2', 'c=3')
    await log.giveUp(2, 0)

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 2, redriven: 2 })
    expect(await log.contents()).toEqual(['a=1', 'b=2', 'c=3', 'a=1', 'c=3'])
    const [, , , copy] = await readAll(log.broker, source)
    expect(copy).toMatchObject({ timestamp: 7 })
    expect(copy?.headers.map(({ key, value }) => [key, Buffer.from(value ?? []).toString()])).toEqual([
      ['own', 'a=1'],
      ['millrace.redrive.attempt', '1'],
      ['millrace.redrive.origin', 'documents-0@0'],
    ])
  })

  test('are none when the signal aborts while they are looked for: what was judged in part may have a newer version', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'a=2')
    await log.giveUp(0)
    const stop = new AbortController()
    let wasReadToItsEnd = false
    const broker = overlaid<Broker>(log.broker, {
      async *read(place, from, signal) {
        if (place.topic === source.topic) stop.abort()
        yield* log.broker.read(place, from, signal)
        wasReadToItsEnd ||= place.topic === source.topic
      },
    })

    const counts = await log.redrive({ broker, signal: stop.signal })

    expect(counts).toEqual({ ...none, letters: 1 })
    expect(wasReadToItsEnd).toBe(false)
    expect(await log.contents()).toEqual(['a=1', 'a=2'])
  })

  test('are refused beyond a number that memory has room for', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2')
    await log.giveUp(0, 1, 0)

    await expect(log.redrive({ maxRecords: 1 })).rejects.toMatchObject({
      code: 'USAGE',
      fact: '"app-dead-letter" has letters of more than 1 records',
    })
    expect(await log.redrive({ maxRecords: 2 })).toMatchObject({ letters: 3, redriven: 2, repeated: 1 })
  })

  test('are never put over a newer record of their key, also when the key has no bytes and another record has none', async () => {
    await using log = await letterLog()
    const withEmptyKey = (value: string) => ({ ...recordOf(`=${value}`), key: new Uint8Array() })
    await send(log.broker, [withEmptyKey('old'), recordOf('=no key')])
    await log.giveUp(1)
    await log.redrive()
    await send(log.broker, [withEmptyKey('new')])
    await log.giveUp(0)

    const counts = await log.redrive()

    expect(counts).toMatchObject({ letters: 2, redriven: 0, superseded: 1 })
    expect(await log.contents()).toEqual(['=old', '=no key', '=no key', '=new'])
  })

  test('are never put over a newer record of their key, also when that failed or was a deletion', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2', 'c=3', 'a=4', 'b', 'c=5')
    await log.giveUp(0, 1, 2, 5)

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 4, redriven: 1, superseded: 3 })
    expect((await log.contents()).slice(6)).toEqual(['c=5'])
  })

  test('are put back once, however often it is asked for', async () => {
    await using log = await letterLog()
    await log.write('a=1', '=no key', '=no key')
    await log.giveUp(0, 1, 2)
    await log.redrive()

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 3, before: 3 })
    expect((await log.contents()).slice(3)).toEqual(['a=1', '=no key', '=no key'])
  })

  test('are put back again when they have failed again, with the attempt counted', async () => {
    await using log = await letterLog()
    await log.write('a=1')
    await log.giveUp(0)
    await log.redrive()
    await log.giveUp(1)

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 2, redriven: 1, before: 1 })
    const copies = (await readAll(log.broker, source)).slice(1)
    expect(copies.map(({ headers }) => headerText(headers, 'millrace.redrive.attempt'))).toEqual(['1', '2'])
    expect(copies.map(({ headers }) => headers.length)).toEqual([3, 3])
  })

  test('are those that the filter lets through', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2')
    await log.giveUp(0, 1)

    const others = await Promise.all([
      log.redrive({ filter: { code: 'EMBED_TEXT' } }),
      log.redrive({ filter: { source: 'elsewhere' } }),
    ])
    const counts = await log.redrive({ filter: { key: 'b', code: 'RECORD_FAILED', source: 'documents' } })

    expect(others).toEqual([none, none])
    expect(counts).toEqual({ ...none, letters: 1, redriven: 1 })
    expect((await log.contents()).slice(2)).toEqual(['b=2'])
  })

  test('are only counted in a dry run', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2', 'b=3')
    await log.giveUp(0, 1)

    const counts = await log.redrive({ dryRun: true })

    expect(counts).toEqual({ ...none, letters: 2, redriven: 1, superseded: 1 })
    expect(await log.contents()).toHaveLength(3)
  })

  test('come in many transactions when there are many of them', async () => {
    await using log = await letterLog()
    const records = Array.from({ length: 250 }, (_, at) => `key ${at}=${at}`)
    await log.write(...records)
    await log.giveUp(...records.keys())
    const seen: number[] = []

    await log.redrive({ onProgress: (redriven) => seen.push(redriven) })

    expect(seen).toEqual([100, 200, 250])
    expect((await log.contents()).slice(250)).toEqual(records)
  })

  test('come no faster than they may', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2', 'c=3')
    await log.giveUp(0, 1, 2)

    await finishing(log.clock, log.redrive({ recordsPerSecond: 2 }))

    expect(log.clock.now()).toBeGreaterThanOrEqual(1_500)
  })
})

describe('a producer that writes at the same time', () => {
  test('is not overwritten: the newer version stays the last one, and the other records are put back', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2')
    await log.giveUp(0, 1)
    let isFirst = true
    const broker = sendingAs(log, async (transaction, records) => {
      if (isFirst) await log.write('a=newer')
      isFirst = false
      return transaction.send(records)
    })

    const counts = await log.redrive({ broker })

    expect(counts).toEqual({ ...none, letters: 2, redriven: 1, superseded: 1 })
    expect((await log.contents()).slice(2)).toEqual(['a=newer', 'b=2'])
  })

  test('may write between the copies: they are tried again, until nothing of others lies between them', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2')
    await log.giveUp(0, 1)
    const broker = sendingAs(log, async (transaction, records) => {
      const offsets: number[] = []
      for (const record of records) {
        offsets.push(...(await transaction.send([record])))
        await log.write('b=newer')
      }
      return offsets
    })

    const counts = await log.redrive({ broker })

    expect(counts).toEqual({ ...none, letters: 2, redriven: 1, superseded: 1 })
    expect((await log.contents()).slice(2)).toEqual(['b=newer', 'b=newer', 'a=1', 'b=newer'])
  })

  test('may be in a transaction: it is waited for, and what it has written counts', async () => {
    await using log = await letterLog()
    await log.write('a=1')
    await log.giveUp(0)
    const other = await (await log.broker.producer({ transactionalId: 'other' })).begin()
    await other.send([recordOf('a=newer')])
    log.clock.after(1_000, () => void other.commit())

    const counts = await finishing(log.clock, log.redrive())

    expect(counts).toEqual({ ...none, letters: 1, superseded: 1 })
    expect(await log.contents()).toEqual(['a=1', 'a=newer'])
  })

  test('may not stay in it for ever', async () => {
    await using log = await letterLog()
    await log.write('a=1')
    await log.giveUp(0)
    const other = await (await log.broker.producer({ transactionalId: 'other' })).begin()
    await other.send([recordOf('b=2')])

    const redriving = finishing(log.clock, log.redrive())

    await expect(redriving).rejects.toMatchObject({
      code: 'PRODUCE_FAILED',
      fact: 'a transaction of somebody else has hidden records of documents-0 for 30000 ms',
    })
    await other.abort()
    expect(await log.contents()).toEqual(['a=1'])
  })
})

describe('letters whose records cannot be put back', () => {
  test('are those of records that compaction has removed, as a deletion that is gone itself was newer', async () => {
    await using log = await letterLog({ cleanup: 'compact', settings: { 'delete.retention.ms': '0' } })
    await log.write('a=1', 'b=2', 'a', 'c=3')
    await log.giveUp(0, 1)
    await log.broker.compact(source.topic)
    await log.broker.compact(source.topic)

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 2, redriven: 1, gone: 1 })
    expect(await log.contents()).toEqual(['b=2', 'c=3', 'b=2'])
  })

  test('are those of another topic of the same name, and of one that is not there', async () => {
    await using log = await letterLog()
    await log.write('a=1', 'b=2')
    await log.giveUp(0, 1)
    await using made = await letterLog()
    await made.write('x=1')
    const [, second] = await readAll(log.broker, { topic: letterTopic, partition: 0 })
    const copies = (await readAll(log.broker, { topic: letterTopic, partition: 0 })).map((letter) => ({
      ...letter,
      topic: letterTopic,
      partition: 0,
    }))
    const headers = second?.headers.map((header) =>
      header.key === '__streams.errors.topic' ? { ...header, value: Buffer.from('dropped') } : header,
    )
    await send(made.broker, [...copies, { ...strangeLetter, headers: headers ?? [] }])

    const counts = await made.redrive()

    expect(counts).toEqual({ ...none, letters: 3, gone: 3 })
    expect(await made.contents()).toEqual(['x=1'])
  })

  test('are those that never were in a topic, and further ones of one record', async () => {
    await using log = await letterLog()
    await log.write('a=1')
    await log.giveUp(0, 0)
    await send(log.broker, [strangeLetter])

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 3, redriven: 1, unplaced: 1, repeated: 1 })
  })

  test('are those that their source finds too large with two more headers; the others go on', async () => {
    const limit = 600
    await using log = await letterLog({ settings: { 'max.message.bytes': String(limit) } })
    await log.write('a=1', `b=${'x'.repeat(270)}`, 'c=3')
    await log.giveUp(0, 1, 2)

    const counts = await log.redrive()

    expect(counts).toEqual({ ...none, letters: 3, redriven: 2, refused: 1 })
    expect((await log.contents()).slice(3)).toEqual(['a=1', 'c=3'])
  })
})

test('a redrive that is told to stop ends between two transactions', async () => {
  await using log = await letterLog()
  const records = Array.from({ length: 250 }, (_, at) => `key ${at}=${at}`)
  await log.write(...records)
  await log.giveUp(...records.keys())
  const stop = new AbortController()

  const counts = await log.redrive({ signal: stop.signal, onProgress: () => stop.abort() })
  const rest = await log.redrive()

  expect([counts.redriven, rest.redriven, rest.before]).toEqual([100, 150, 100])
})

test('a record that fails again after a redrive becomes a dead letter again, with the attempt counted', async () => {
  const logs: EmbeddedBroker[] = []
  const failing = mapValues<string, string, string>('failing', () => {
    throw new TypeError('no')
  })
  await using driver = await TopologyTestDriver.start(
    topologyTo(new RecordingSink(), (stream) => stream.process(failing)),
    {
      broker: (clock) => {
        const log = embeddedBroker({ clock })
        logs.push(log)
        return log
      },
    },
  )
  const [broker] = logs
  if (!broker) throw new Error('the driver has no log')
  await driver.pipe(kafka({ topic: 'in', key: string, value: string }), { key: 'a', value: 'one' })

  const application = 'test'
  const topic = 'test-dead-letter'
  for (const _ of ['first', 'second']) {
    await redrive({ broker, application, topic, clock: driver.clock })
    await driver.settle()
  }

  const letters = await Array.fromAsync(readLetters(broker, topic))
  expect(letters.map(({ letter }) => [letter.source?.offset, letter.attempt])).toEqual([
    [0, 0],
    [1, 1],
    [2, 2],
  ])
})
