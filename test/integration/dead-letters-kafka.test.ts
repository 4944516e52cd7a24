import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import type { Broker, Transaction } from '../../src/runtime/broker.ts'
import { readLetters } from '../../src/runtime/dead-letters/dead-letter-topic.ts'
import { redrive } from '../../src/runtime/dead-letters/redrive.ts'
import { keepingOldRecords, text, useLog, valuesOf } from '../contracts/broker/harness.ts'
import { millraceHere } from '../support/command-here.ts'
import { letterOf, send } from '../support/dead-letters.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'
import { overlaid } from '../support/overlaid.ts'

const none = { letters: 0, redriven: 0, superseded: 0, before: 0, gone: 0, unplaced: 0, refused: 0, repeated: 0 }

describe.skipIf(kafkaBrokers.length === 0)('dead letters in a real Kafka', () => {
  const log = useLog(kafkaTarget, { waitMs: 30_000 })

  /** A source whose values are `key version`, and dead letters of all of them. */
  async function given(...values: readonly string[]) {
    const settings = keepingOldRecords
    const [place, topic] = [{ topic: await log.topic(1, { settings }), partition: 0 }, await log.topic(1, { settings })]
    const record = (value: string) => text(place, value, value.split(' ')[0])
    await send(log.broker, values.map(record))
    const records = await log.read(place)
    await send(
      log.broker,
      records.map((each) => letterOf(place, each, topic)),
    )
    const again = (broker: Broker = log.broker) =>
      redrive({ broker, application: log.name('app'), topic, clock: systemClock })
    return { place, topic, again, write: (value: string) => send(log.broker, [record(value)]) }
  }

  test('are put back once, in order, and not over newer versions', async () => {
    const { place, again, write } = await given('a 1', 'b 1', 'c 1', 'b 2')
    await write('c 2')

    const first = await again()
    const second = await again()

    expect(first).toEqual({ ...none, letters: 4, redriven: 2, superseded: 2 })
    expect(second).toEqual({ ...none, letters: 4, superseded: 2, before: 2 })
    expect(valuesOf(await log.read(place)).slice(5)).toEqual(['a 1', 'b 2'])
  })

  test('are not put over what a producer writes meanwhile, with a transaction of its own or without', async () => {
    const { place, again, write } = await given('a 1', 'b 1', 'c 1')
    const producer = await log.producer(log.name('other'))
    const other = await producer.begin()
    await other.send([text(place, 'b 2', 'b')])
    let isFirst = true
    const sending = (transaction: Transaction): Transaction['send'] => {
      return async (records) => {
        if (isFirst) await write('a 2')
        isFirst = false
        const offsets = await transaction.send(records)
        await other.commit().catch(() => undefined)
        return offsets
      }
    }
    const broker = overlaid<Broker>(log.broker, {
      producer: async (options) => {
        const own = await log.broker.producer(options)
        return overlaid(own, {
          begin: async () => {
            const transaction = await own.begin()
            return overlaid(transaction, { send: sending(transaction) })
          },
        })
      },
    })

    const counts = await again(broker)

    expect(counts).toEqual({ ...none, letters: 3, redriven: 1, superseded: 2 })
    expect(valuesOf(await log.read(place)).slice(3)).toEqual(['b 2', 'a 2', 'c 1'])
  })

  test('are listed, shown, put back and purged from the command line', async () => {
    const { place, topic } = await given('a 1', 'b 1', 'a 2')
    const dlq = (name: string, ...options: string[]) => {
      const where = ['--application', log.name('app'), '--brokers', kafkaBrokers.join(','), '--topic', topic, '--json']
      return millraceHere(['dlq', name, ...options, ...where])
    }

    const [list, show] = [await dlq('list'), await dlq('show', '0@1')]
    const redriven = await dlq('redrive')
    const purged = await dlq('purge', '--all', '--yes')
    const rest = await dlq('list')

    expect(JSON.parse(list.stdout)).toMatchObject({ code: 'RECORD_FAILED', source: place.topic, letters: 3 })
    expect(JSON.parse(show.stdout)).toMatchObject({ letter: '0@1', source: { ...place, offset: 1 }, excerpt: 'b 1' })
    expect(JSON.parse(redriven.stdout)).toMatchObject({ letters: 3, redriven: 2, superseded: 1 })
    expect(JSON.parse(purged.stdout)).toEqual({ topic, purged: 3 })
    expect(rest).toMatchObject({ stdout: '', code: 0 })
    expect(valuesOf(await log.read(place)).slice(3)).toEqual(['b 1', 'a 2'])
  })

  test('are deleted up to an offset', async () => {
    const { topic } = await given('a 1', 'b 1', 'c 1')

    await log.broker.admin?.deleteRecords([{ topic, partition: 0, offset: 2 }])

    const letters = await Array.fromAsync(readLetters(log.broker, topic))
    expect(letters.map(({ letter }) => letter.source?.offset)).toEqual([2])
  })
})
