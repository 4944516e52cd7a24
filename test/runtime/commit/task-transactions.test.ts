import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { StreamError } from '../../../src/errors.ts'
import { silentLogger } from '../../../src/logger.ts'
import type { Producer, Transaction } from '../../../src/runtime/broker.ts'
import { TaskTransactions } from '../../../src/runtime/commit/task-transactions.ts'
import { settled } from '../../support/instance.ts'

/** Every transaction of it fails with its offsets, or commits; it is closed once it was thrown away. */
class ScriptedProducer implements Producer {
  readonly #fails: boolean
  commits = 0
  isClosed = false

  constructor(fails: boolean) {
    this.#fails = fails
  }

  async send(): Promise<never> {
    throw new StreamError('ILLEGAL_STATE', 'outside of a transaction')
  }

  async begin(): Promise<Transaction> {
    return {
      send: async (records) => records.map(() => 0),
      sendOffsets: async () => {
        if (this.#fails) throw new StreamError('PRODUCE_FAILED', 'the broker is away')
      },
      commit: async () => {
        this.commits++
      },
      abort: async () => undefined,
    }
  }

  async close(): Promise<void> {
    this.isClosed = true
  }
}

test('a producer during whose opening the lease ran out, as in a freeze, commits nothing before the lease is back', async () => {
  // given: the first producer fails, and the lease ends while the second one is opened
  const clock = new ManualClock()
  const lease = { held: true }
  const producers: ScriptedProducer[] = []
  const openProducer = async () => {
    const producer = new ScriptedProducer(producers.length === 0)
    producers.push(producer)
    if (producers.length === 2) lease.held = false
    return producer
  }
  const signal = new AbortController().signal
  const options = { group: 'group', openProducer, lease, clock, logger: silentLogger }
  const transactions = await TaskTransactions.open(options, signal)
  const offsets = [{ topic: 'in', partition: 0, offset: 1 }]

  // when: it is tried again, first without the lease and then with it
  const committing = transactions.commit({ outputs: [], changelogs: [], offsets }, signal)
  for (let second = 0; second < 60; second++) {
    await settled()
    clock.advance(1_000)
  }
  const withoutLease = producers.map(({ commits, isClosed }) => ({ commits, isClosed }))
  lease.held = true
  for (let second = 0; second < 11; second++) {
    await settled()
    clock.advance(1_000)
  }
  await committing

  expect(withoutLease).toEqual([
    { commits: 0, isClosed: true },
    { commits: 0, isClosed: true },
  ])
  expect(producers.map(({ commits }) => commits)).toEqual([0, 0, 1])
})

const aborted = () => new StreamError('COMMIT_UNKNOWN', 'a transaction that hung was aborted')

test('a task that begins does not mind what was aborted for it: it has read nothing yet', async () => {
  const clock = new ManualClock()
  const openings = [() => Promise.reject(aborted()), async () => new ScriptedProducer(false)]
  const openProducer = () => openings.shift()?.() ?? Promise.reject(new Error('opened too often'))
  const options = { group: 'group', openProducer, lease: { held: true }, clock, logger: silentLogger }
  const { signal } = new AbortController()

  const opening = TaskTransactions.open(options, signal)
  await settled()
  clock.advance(1_000)
  const transactions = await opening

  const offsets = [{ topic: 'in', partition: 0, offset: 1 }]
  expect(await transactions.commit({ outputs: [], changelogs: [], offsets }, signal)).toEqual([])
  expect(openings).toEqual([])
})

test('a task at work for which something was aborted has to begin again: it may have been what it had committed', async () => {
  // given: the first producer fails, and for the second one something is aborted
  const clock = new ManualClock()
  const openings = [async () => new ScriptedProducer(true), () => Promise.reject(aborted())]
  const openProducer = () => openings.shift()?.() ?? Promise.reject(new Error('opened too often'))
  const options = { group: 'group', openProducer, lease: { held: true }, clock, logger: silentLogger }
  const { signal } = new AbortController()
  const transactions = await TaskTransactions.open(options, signal)

  const offsets = [{ topic: 'in', partition: 0, offset: 1 }]
  const committing = transactions.commit({ outputs: [], changelogs: [], offsets }, signal)
  const outcome = expect(committing).rejects.toMatchObject({ code: 'COMMIT_UNKNOWN', reaction: 'migrate' })
  await settled()
  clock.advance(1_000)

  await outcome
})
