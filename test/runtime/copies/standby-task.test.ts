import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { followTask } from '../../support/followed-task.ts'
import { settled } from '../../support/instance.ts'
import { logRecord } from '../../support/log-records.ts'

const hourMs = 3_600_000

/** A standby of task 0_0, whose changelog has these words. */
async function standbyOf(...words: readonly string[]) {
  const clock = new ManualClock()
  const broker = embeddedBroker({ clock })
  await broker.open()
  const task = await followTask({ broker, application: 'app', clock })
  const producer = await broker.producer()
  await producer.send(words.map((word) => logRecord(task.changelog, word, word)))
  const follow = async (end?: number) => {
    await task.follow(end)
    await settled()
  }
  return { ...task, broker, clock, follow, [Symbol.asyncDispose]: () => broker.close() }
}

describe('a standby of a task', () => {
  test('follows the stores that a restart would find, and knows how far behind it is', async () => {
    await using one = await standbyOf('a', 'b')
    const ends = new Map([['app-words-changelog-0', 2]])
    const before = one.standby.lags(ends)

    await one.follow()

    expect(one.standby.changelogs.map(({ store }) => store)).toEqual(['words'])
    expect([before, one.standby.lags(ends)]).toEqual([new Map([['words', 2]]), new Map([['words', 0]])])
    expect([one.has('a'), one.has('b')]).toEqual([true, true])
  })

  test('holds nothing of a transaction that is open or was aborted', async () => {
    await using one = await standbyOf('a')
    const owner = await one.broker.producer({ transactionalId: 'app-0_0' })
    const look = async () => {
      await one.follow()
      return ['a', 'aborted', 'next'].filter(one.has)
    }

    const aborted = await owner.begin()
    await aborted.send([logRecord(one.changelog, 'aborted', 'aborted')])
    const whileOpen = await look()
    await aborted.abort()
    const afterAbort = await look()
    const next = await owner.begin()
    await next.send([logRecord(one.changelog, 'next', 'next')])
    const beforeCommit = await look()
    await next.commit()
    const afterCommit = await look()

    expect([whileOpen, afterAbort, beforeCommit, afterCommit]).toEqual([['a'], ['a'], ['a'], ['a', 'next']])
    expect(one.failures).toEqual([])
  })

  test('starts again when its changelog is another one', async () => {
    await using one = await standbyOf('a', 'b')
    await one.follow()

    await one.follow(1)
    const wiped = !one.has('a')
    await one.follow(2)

    expect(wiped).toBe(true)
    expect(one.has('b')).toBe(true)
    expect(one.failures).toEqual([])
  })

  test('hands nothing over that was not followed for so long that deletions may be gone', async () => {
    await using one = await standbyOf('a', 'b')
    await one.follow()
    one.clock.advance(11 * hourMs)
    await one.follow()
    one.clock.advance(11 * hourMs)
    await one.follow()
    const hadAll = one.has('a')

    one.clock.advance(13 * hourMs)
    const state = await one.standby.stop()

    expect(hadAll).toBe(true)
    expect(state.position('words')).toBeUndefined()
  })

  test('writes nothing after it has stopped', async () => {
    await using one = await standbyOf('a')

    const state = await one.standby.stop()
    await one.follow()

    expect(state.position('words')).toBeUndefined()
    expect(one.failures).toEqual([])
  })
})
