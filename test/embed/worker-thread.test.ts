import { afterEach, describe, expect, test } from 'vitest'
import { type Clock, ManualClock, systemClock } from '../../src/clock.ts'
import { WorkerThread } from '../../src/embed/worker-thread.ts'
import type { Script } from '../support/scripted-worker.ts'

type ScriptedThread = WorkerThread<Script, string, Script, string>
const threads: ScriptedThread[] = []

function threadWith(setup: Script, clock: Clock = systemClock): ScriptedThread {
  const entry = new URL('../support/scripted-worker.ts', import.meta.url)
  const thread: ScriptedThread = new WorkerThread({ name: 'the worker', entry, setup, clock })
  threads.push(thread)
  return thread
}

/** Answers `first` when the message is made for the first time, `later` when it is made again. */
function changing(first: Script, later: Script) {
  let made = 0
  return () => ({ message: made++ === 0 ? first : later, transfer: [] })
}

const always = (message: Script) => () => ({ message, transfer: [] })

afterEach(async () => {
  await Promise.all(threads.splice(0).map((thread) => thread.close()))
})

describe('a worker', () => {
  test('opens, answers in order and closes', async () => {
    const thread = threadWith('care')

    expect(await thread.open()).toBe('opened with care')
    const answers = await Promise.all([thread.run(always('one')), thread.run(always('two'))])
    await thread.close()

    expect(answers).toEqual(['did one', 'did two'])
    expect(thread.isUsable).toBe(false)
  })

  test('that cannot open says why', async () => {
    const thread = threadWith('cannot open')

    await expect(thread.open()).rejects.toMatchObject({
      code: 'MODEL_INVALID',
      fact: 'the worker cannot start: the file is broken',
    })
  })

  test('that crashes while it opens is not started again', async () => {
    const thread = threadWith('crash at start')

    await expect(thread.open()).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'the worker stopped with exit code 3',
    })
    expect(thread.restarts).toBe(0)
    expect(thread.isUsable).toBe(false)
  })

  test('that refuses a request stays', async () => {
    const thread = threadWith('care')
    await thread.open()

    await expect(thread.run(always('throw'))).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'the worker failed: no such request',
    })

    expect(await thread.run(always('one'))).toBe('did one')
  })

  test('that is not open refuses requests', async () => {
    await expect(threadWith('care').run(always('one'))).rejects.toMatchObject({ code: 'EMBED_FAILED' })
  })
})

describe('a crash', () => {
  test('is followed by a restart that gets the unanswered requests again', async () => {
    const thread = threadWith('care')
    await thread.open()

    const answers = await Promise.all([thread.run(changing('crash', 'one')), thread.run(always('two'))])

    expect(answers).toEqual(['did one', 'did two'])
    expect(thread.restarts).toBe(1)
  })

  test('that repeats itself ends with an error and not with a loop', async () => {
    const thread = threadWith('care')
    await thread.open()

    await expect(thread.run(always('crash'))).rejects.toMatchObject({ code: 'EMBED_FAILED', reaction: 'retry' })

    expect(thread.restarts).toBe(3)
    expect(thread.isUsable).toBe(false)
  })

  test('counts only until the next answer', async () => {
    const thread = threadWith('care')
    await thread.open()

    for (let round = 0; round < 5; round++) expect(await thread.run(changing('crash', 'one'))).toBe('did one')

    expect(thread.restarts).toBe(5)
  })

  test('that gave a worker up can be followed by opening it again', async () => {
    const thread = threadWith('care')
    await thread.open()
    await expect(thread.run(always('crash'))).rejects.toThrow()

    await thread.open()

    expect(await thread.run(always('one'))).toBe('did one')
  })
})

test('closing does not wait for ever for a worker that hangs', async () => {
  const clock = new ManualClock()
  const thread = threadWith('care', clock)
  await thread.open()
  const hanging = thread.run(always('hang'))

  const closing = thread.close()
  clock.advance(5_000)

  await closing
  await expect(hanging).rejects.toMatchObject({ code: 'EMBED_FAILED', fact: 'the worker did not stop in time' })
})
