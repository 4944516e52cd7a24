import { describe, expect, test } from 'vitest'
import { type Log, text, valuesOf } from './harness.ts'

export function transactionFeatures(log: Log): void {
  describe('transactions', () => {
    test('records of all partitions become visible with the commit, at the offsets that were told', async () => {
      const topic = await log.topic(2)
      const first = { topic, partition: 0 }
      const second = { topic, partition: 1 }
      const producer = await log.producer(log.name('transactional'))
      const transaction = await producer.begin()

      const offsets = [
        ...(await transaction.send([text(first, 'a'), text(second, 'b')])),
        ...(await transaction.send([text(first, 'c')])),
      ]
      const before = [...(await log.read(first)), ...(await log.read(second))]
      const [latestBefore] = await log.broker.offsets([first])
      await transaction.commit()

      expect(before).toEqual([])
      expect(latestBefore?.latest).toBe(0)
      await log.eventually(async () => {
        const [a, c] = await log.read(first)
        const [b] = await log.read(second)
        expect([a, b, c].map((record) => record && valuesOf([record])[0])).toEqual(['a', 'b', 'c'])
        expect(offsets).toEqual([a?.offset, b?.offset, c?.offset])
      })
    })

    test('an aborted transaction leaves no record, and the partition goes on', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const producer = await log.producer(log.name('transactional'))
      const aborted = await producer.begin()
      await aborted.send([text(place, 'aborted')])
      await aborted.abort()

      const transaction = await producer.begin()
      await transaction.send([text(place, 'committed')])
      await transaction.commit()
      await log.send(place, 'afterwards')

      await log.eventually(async () => expect(valuesOf(await log.read(place))).toEqual(['committed', 'afterwards']))
    })

    test('a read passes what was aborted at the end of the log', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      await log.send(place, 'visible')
      const producer = await log.producer(log.name('transactional'))
      const aborted = await producer.begin()
      await aborted.send([text(place, 'aborted')])
      await aborted.abort()

      await log.eventually(async () => {
        const [offsets] = await log.broker.offsets([place])
        let position = 0
        for await (const { next } of log.broker.read(place, 0)) position = next
        expect(position).toBe(offsets?.latest)
        expect(position).toBeGreaterThan(1)
      })
    })

    test('a record behind an open transaction waits for it', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const producer = await log.producer(log.name('transactional'))
      const transaction = await producer.begin()
      await transaction.send([text(place, 'first')])
      await log.send(place, 'second')

      const before = await log.read(place)
      await transaction.commit()

      expect(before).toEqual([])
      await log.eventually(async () => expect(valuesOf(await log.read(place))).toEqual(['first', 'second']))
    })

    test('offsets are committed with the records', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const group = log.name('group')
      const producer = await log.producer(log.name('transactional'))
      const transaction = await producer.begin()
      await transaction.send([text(place, 'output')])
      await transaction.sendOffsets(group, [{ ...place, offset: 5, metadata: 'clean' }])
      await transaction.commit()

      await log.eventually(async () => {
        expect(await log.broker.committed(group, [place])).toEqual([{ ...place, offset: 5, metadata: 'clean' }])
      })
    })

    test('offsets of an aborted transaction are forgotten', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const group = log.name('group')
      const producer = await log.producer(log.name('transactional'))
      const committed = await producer.begin()
      await committed.sendOffsets(group, [{ ...place, offset: 1 }])
      await committed.commit()

      const aborted = await producer.begin()
      await aborted.send([text(place, 'aborted')])
      await aborted.sendOffsets(group, [{ ...place, offset: 2 }])
      await aborted.abort()

      await log.eventually(async () => {
        expect((await log.broker.committed(group, [place]))[0]?.offset).toBe(1)
      })
    })

    test('an empty transaction can be committed and aborted', async () => {
      const producer = await log.producer(log.name('transactional'))

      await (await producer.begin()).commit()
      await (await producer.begin()).abort()

      await expect(producer.begin()).resolves.toBeDefined()
    })

    test('a newer producer of the same id fences the older one and aborts what it has open', async () => {
      const place = { topic: await log.topic(), partition: 0 }
      const id = log.name('transactional')
      const older = await log.producer(id)
      const open = await older.begin()
      await open.send([text(place, 'of the older one')])

      const newer = await (await log.another()).producer({ transactionalId: id })
      const transaction = await newer.begin()
      await transaction.send([text(place, 'of the newer one')])
      await transaction.commit()

      await expect(open.commit()).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
      await log.eventually(async () => expect(valuesOf(await log.read(place))).toEqual(['of the newer one']))
    })

    test.each(['send', 'sendOffsets'] as const)(
      'a fenced producer learns it at the latest when the transaction of its next %s commits',
      async (step) => {
        const place = { topic: await log.topic(), partition: 0 }
        const id = log.name('transactional')
        const group = log.name('group')
        const older = await log.producer(id)
        await (await older.begin()).commit()
        await (await log.another()).producer({ transactionalId: id })

        const attempt = (async () => {
          const transaction = await older.begin()
          if (step === 'send') await transaction.send([text(place, 'of a zombie')])
          else await transaction.sendOffsets(group, [{ ...place, offset: 1 }])
          await transaction.commit()
        })()

        await expect(attempt).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
        expect(await log.read(place)).toEqual([])
        expect((await log.broker.committed(group, [place]))[0]?.offset).toBeUndefined()
      },
    )

    test('a transaction with a failed step cannot be committed', async () => {
      const topic = await log.topic(1, { settings: { 'max.message.bytes': '10000' } })
      const place = { topic, partition: 0 }
      const producer = await log.producer(log.name('transactional'))
      const transaction = await producer.begin()
      await transaction.send([text(place, 'half of it')])
      await expect(transaction.send([text(place, 'x'.repeat(20_000))])).rejects.toMatchObject({
        code: 'RECORD_REJECTED',
      })

      await expect(transaction.commit()).rejects.toMatchObject({ name: 'StreamError' })

      expect(await log.read(place)).toEqual([])
    })

    test('a producer without a transactional id has no transactions', async () => {
      const producer = await log.producer()

      await expect(producer.begin()).rejects.toMatchObject({ name: 'StreamError' })
    })
  })
}
