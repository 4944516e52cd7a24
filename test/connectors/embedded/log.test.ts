import { describe, expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { EmbeddedLog } from '../../../src/connectors/embedded/log.ts'
import { TransactionalProducers } from '../../../src/connectors/embedded/transactions.ts'
import { StreamError } from '../../../src/errors.ts'
import { memoryStore } from '../../../src/state/memory-store.ts'
import type { ByteStore } from '../../../src/state/store.ts'
import { logRecord } from '../../support/log-records.ts'

const place = { topic: 'documents', partition: 0 }

/** A log whose disk can be full for a while. */
async function openLog() {
  const inner = memoryStore()
  const disk = { isFull: false }
  const store: ByteStore = {
    ...inner,
    write: (changes) => (disk.isFull ? Promise.reject(new Error('disk full')) : inner.write(changes)),
  }
  const log = await EmbeddedLog.open(store)
  onTestFinished(() => log.close())
  await log.createTopics([{ topic: 'documents', partitions: 1 }])
  const visible = async () => {
    const partition = log.catalog.partition(place)
    const { records, next } = await log.read(partition, 0, partition.stable)
    return { keys: records.map(({ key }) => Buffer.from(key ?? '').toString()), next }
  }
  return { log, disk, visible }
}

describe('an embedded log whose store refuses a write', () => {
  test('fails the send, shows nothing of it, and takes the next one', async () => {
    const { log, disk, visible } = await openLog()
    await log.append([logRecord(place, 'before', '1')])
    disk.isFull = true
    const failed = log.append([logRecord(place, 'lost', '1'), logRecord(place, 'lost too', '1')])
    await expect(failed).rejects.toMatchObject({ code: 'PRODUCE_FAILED', cause: { message: 'disk full' } })

    disk.isFull = false
    const offsets = await log.append([logRecord(place, 'after', '1')])

    expect(offsets).toEqual([3])
    expect(await visible()).toEqual({ keys: ['before', 'after'], next: 4 })
  })

  test('fails the commit, and leaves what was committed before', async () => {
    const { log, disk } = await openLog()
    await log.commit('group', [{ ...place, offset: 1 }])
    disk.isFull = true

    const failed = log.commit('group', [{ ...place, offset: 2 }])

    await expect(failed).rejects.toMatchObject({ code: 'COMMIT_FAILED', reaction: 'retry' })
    expect((await log.committed('group', [place]))[0]?.offset).toBe(1)
  })

  test('does not create the topic', async () => {
    const { log, disk } = await openLog()
    disk.isFull = true

    const failed = log.createTopics([{ topic: 'later', partitions: 1 }])

    await expect(failed).rejects.toThrow('disk full')
    expect(log.catalog.describe(['later']).size).toBe(0)
    disk.isFull = false
    await log.createTopics([{ topic: 'later', partitions: 2 }])
    expect(log.catalog.describe(['later']).get('later')?.partitions).toBe(2)
  })
})

test('a log whose disk is full says so, and nothing that a retry would help', async () => {
  const full = new StreamError('STATE_IO', 'the store in log cannot be used: No space left on device')
  const inner = memoryStore()
  const disk = { isFull: false }
  const store: ByteStore = { ...inner, write: (changes) => (disk.isFull ? Promise.reject(full) : inner.write(changes)) }
  const log = await EmbeddedLog.open(store)
  onTestFinished(() => log.close())
  await log.createTopics([{ topic: 'documents', partitions: 1 }])
  disk.isFull = true

  await expect(log.append([logRecord(place, 'key', '1')])).rejects.toBe(full)
  await expect(log.commit('group', [{ ...place, offset: 1 }])).rejects.toBe(full)
})

describe('what is still being written', () => {
  test('counts as committed for whoever asks later', async () => {
    const { log } = await openLog()

    const commit = log.commit('group', [{ ...place, offset: 1 }])
    const [committed] = await log.committed('group', [place])

    expect(committed?.offset).toBe(1)
    await commit
  })

  test('is there when a newer producer has taken over', async () => {
    const { log, visible } = await openLog()
    const producers = new TransactionalProducers({ log, clock: new ManualClock() })
    const transaction = await (await producers.create('id')).begin()
    await transaction.send([logRecord(place, 'a', '1')])

    const commit = transaction.commit()
    await producers.create('id')

    expect(await visible()).toEqual({ keys: ['a'], next: 1 })
    await commit
  })
})

describe('what an embedded log refuses', () => {
  test.each([
    ['no partition', 0],
    ['half a partition', 1.5],
  ])('a topic with %s', async (_, partitions) => {
    const { log } = await openLog()

    await expect(log.createTopics([{ topic: 'odd', partitions }])).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
  })

  test.each([-1, 0.5, Number.NaN])('a record with the timestamp %s', async (timestamp) => {
    const { log, visible } = await openLog()

    const refused = log.append([logRecord(place, 'good', '1'), logRecord(place, 'odd', '1', timestamp)])

    await expect(refused).rejects.toMatchObject({ code: 'RECORD_REJECTED', details: { index: 1 } })
    expect(await visible()).toEqual({ keys: [], next: 0 })
  })

  test('a partition that the topic does not have', async () => {
    const { log } = await openLog()

    const refused = log.append([logRecord({ ...place, partition: 1 }, 'a', '1')])

    await expect(refused).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
  })

  test('metadata of more than 4,096 characters', async () => {
    const { log } = await openLog()

    const refused = log.commit('group', [{ ...place, offset: 1, metadata: 'm'.repeat(4_097) }])

    await expect(refused).rejects.toMatchObject({ code: 'ILLEGAL_STATE' })
    expect((await log.committed('group', [place]))[0]?.offset).toBeUndefined()
  })
})
