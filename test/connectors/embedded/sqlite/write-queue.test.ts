import { beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../../src/clock.ts'
import { fromSqlite } from '../../../../src/connectors/embedded/sqlite/errors.ts'
import type { PackedRecord } from '../../../../src/connectors/embedded/sqlite/packing.ts'
import type { PackedBatch, RecordOutcome } from '../../../../src/connectors/embedded/sqlite/protocol.ts'
import { WriteQueue } from '../../../../src/connectors/embedded/sqlite/write-queue.ts'
import { StreamError } from '../../../../src/errors.ts'

interface Transaction {
  /** Number of records. */
  readonly records: number
  commit(): void
  fail(error: StreamError): void
}

const never = new AbortController().signal
const busy = new StreamError('INDEX_UNREACHABLE', 'busy')
const closed = new StreamError('INDEX_CLOSED', 'closed')

let transactions: Transaction[]
let clock: ManualClock
let queue: WriteQueue

beforeEach(() => {
  transactions = []
  clock = new ManualClock()
  queue = new WriteQueue(({ records }: PackedBatch) => {
    const { promise, resolve, reject } = Promise.withResolvers<readonly RecordOutcome[]>()
    const commit = () => resolve(records.map(() => ({ kind: 'written' })))
    transactions.push({ records: records.length, commit, fail: reject })
    return promise
  }, clock)
})

/** A record that deletes so many points. */
const record = (deletes: number): PackedRecord => ({
  operations: [{ kind: 'delete', ids: Array(deletes).fill('id') }],
  vectors: [],
  points: 0,
  payloads: 0,
  deletes,
  characters: 0,
})
const write = (deletes = 1, owner: object = queue, signal = never) => queue.write(owner, record(deletes), signal)
const begun = (count: number) => vi.waitFor(() => expect(transactions).toHaveLength(count))
const sizes = () => transactions.map(({ records }) => records)

describe('group commit', () => {
  test('what is written together, and what comes while a transaction is on its way, shares one', async () => {
    const first = [write(), write(), write()]
    await begun(1)
    const second = [write(), write()]

    transactions[0]?.commit()
    await Promise.all(first)
    await begun(2)
    transactions[1]?.commit()
    await Promise.all(second)

    expect(sizes()).toEqual([3, 2])
  })

  test('a transaction is bounded, but a record is never split', async () => {
    const writes = [write(300), write(200), write(100), write(2_000), write(1)]

    for (let i = 1; i <= 4; i++) {
      await begun(i)
      transactions[i - 1]?.commit()
    }
    await Promise.all(writes)

    expect(sizes()).toEqual([2, 1, 1, 1])
  })
})

describe('a failure that passes', () => {
  test('is tried again after a pause that doubles, up to five seconds', async () => {
    const written = write()
    const pauses: number[] = []

    for (let failures = 1; failures <= 8; failures++) {
      await begun(failures)
      transactions[failures - 1]?.fail(busy)
      const before = clock.now()
      await vi.waitFor(
        () => {
          clock.advance(50)
          expect(transactions).toHaveLength(failures + 1)
        },
        { interval: 1, timeout: 5_000 },
      )
      pauses.push(clock.now() - before)
    }
    transactions.at(-1)?.commit()
    await written

    // The clock moves in steps of 50 ms and the queue needs a turn to notice: a few steps more than the pause.
    for (const [i, pause] of [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000].entries()) {
      expect(pauses[i]).toBeGreaterThanOrEqual(pause)
      expect(pauses[i]).toBeLessThan(pause + 1_000)
    }
  })

  test('keeps the order: what failed goes before what came later', async () => {
    const written: string[] = []
    const first = write(1).then(() => written.push('first'))
    await begun(1)
    const later = write(512).then(() => written.push('later'))
    transactions[0]?.fail(busy)
    await vi.waitFor(() => {
      clock.advance(100)
      expect(transactions).toHaveLength(2)
    })
    transactions[1]?.commit()
    await begun(3)
    transactions[2]?.commit()
    await Promise.all([first, later])

    expect(written).toEqual(['first', 'later'])
  })

  test('leaves out a write that was given up meanwhile', async () => {
    const abort = new AbortController()
    const kept = write()
    const given = write(1, queue, abort.signal)
    await begun(1)
    transactions[0]?.fail(busy)
    abort.abort(new Error('too late'))

    await expect(given).rejects.toThrow('too late')
    await vi.waitFor(() => {
      clock.advance(100)
      expect(transactions).toHaveLength(2)
    })
    transactions[1]?.commit()
    await kept

    expect(sizes()).toEqual([2, 1])
  })
})

describe('a failure that stays', () => {
  test('of a full disk is not waited out', async () => {
    const failed = write()
    await begun(1)

    transactions[0]?.fail(fromSqlite(Object.assign(new Error('database or disk is full'), { errcode: 13 }), 'index.db'))

    await expect(failed).rejects.toMatchObject({ code: 'STATE_IO', exitCode: 1 })
  })

  test('reaches every write of the transaction, and later ones are tried', async () => {
    const failed = [write(), write()]
    await begun(1)
    const later = write()

    transactions[0]?.fail(new StreamError('INDEX_CORRUPT', 'broken'))
    const outcomes = await Promise.allSettled(failed)
    await begun(2)
    transactions[1]?.commit()
    await later

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  })
})

describe('letting go', () => {
  test('an owner takes back what is not sent and waits for what is on its way', async () => {
    const [leaving, staying] = [{}, {}]
    const sent = write(1, leaving)
    await begun(1)
    const unsent = Promise.allSettled([write(1, leaving), write(1, staying)])
    let released = false

    const release = queue.release(leaving, closed).then(() => {
      released = true
    })
    await new Promise(setImmediate)
    const before = released
    transactions[0]?.commit()
    await Promise.all([release, sent])
    await begun(2)
    transactions[1]?.commit()

    expect(before).toBe(false)
    expect((await unsent).map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
    expect(sizes()).toEqual([1, 1])
  })

  test('closing rejects what waits and what comes', async () => {
    const sent = write()
    await begun(1)
    const unsent = write()

    queue.close(closed)

    await expect(unsent).rejects.toBe(closed)
    await expect(write()).rejects.toBe(closed)
    transactions[0]?.commit()
    await sent
  })
})
