import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Clock, ManualClock, systemClock } from '../../src/clock.ts'
import { WorkerThread } from '../../src/embed/worker-thread.ts'
import type { Script } from '../support/scripted-worker.ts'

type ScriptedThread = WorkerThread<Script, string, Script, string>
const threads: ScriptedThread[] = []

type Setup = Script | Promise<Script>

interface Extras {
  readonly clock?: Clock
  readonly mayTerminate?: () => boolean
  readonly startTimeoutMs?: number
}

/** `setups` are those of its starts, one after the other; the last one is that of all further starts. */
function threadWith(setups: Setup | readonly Setup[], extras: Extras = {}): ScriptedThread {
  const entry = new URL('../support/scripted-worker.ts', import.meta.url)
  const left = [setups].flat()
  const setup = () => (left.length > 1 ? left.shift() : left[0]) ?? ''
  const options = { name: 'the worker', entry, setup, clock: systemClock, requestTimeoutMs: 60_000, ...extras }
  const thread: ScriptedThread = new WorkerThread(options)
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

  test('is one thread, however many open it', async () => {
    const thread = threadWith(['care', 'haste'])

    const opened = await Promise.all([thread.open(), thread.open()])

    expect([...opened, await thread.open()]).toEqual(['opened with care', 'opened with care', 'opened with care'])
    expect(await thread.run(always('one'))).toBe('did one')
  })

  test('gets its setup when it is known', async () => {
    const { promise, resolve } = Promise.withResolvers<Script>()
    const opening = threadWith(promise).open()

    resolve('care')

    expect(await opening).toBe('opened with care')
  })

  test('takes requests while it opens, before its setup is known and after, and answers each once', async () => {
    const { promise, resolve } = Promise.withResolvers<Script>()
    const thread = threadWith(promise)
    const opening = thread.open()
    const made: Script[] = []
    const noted = (message: Script) => () => {
      made.push(message)
      return { message, transfer: [] }
    }

    const early = thread.run(noted('one'))
    resolve('care')
    await promise
    const late = thread.run(noted('two'))
    // A thread takes tens of milliseconds to boot: they were sent before it could say that it is ready.
    expect(made).toEqual(['one', 'two'])

    expect(await Promise.all([opening, early, late])).toEqual(['opened with care', 'did one', 'did two'])
    expect(await thread.run(noted('three'))).toBe('did three')
    expect(made).toEqual(['one', 'two', 'three'])
  })

  test.each(['cannot open', 'crash at start'] as const)(
    'with "%s" fails the requests that it got meanwhile',
    async (setup) => {
      const thread = threadWith(setup)
      const opening = expect(thread.open()).rejects.toThrow()

      await expect(thread.run(always('one'))).rejects.toMatchObject({ code: 'EMBED_FAILED' })

      await opening
    },
  )

  test('whose setup cannot be made fails with the reason of that, and can be opened again', async () => {
    const thread = threadWith([Promise.reject(new RangeError('there is no model')), 'care'])

    await expect(thread.open()).rejects.toThrow('there is no model')
    await thread.close()

    expect(thread.isUsable).toBe(false)
    expect(await thread.open()).toBe('opened with care')
  })

  test('that is closed before its setup is known ends', async () => {
    const thread = threadWith(new Promise<Script>(() => undefined))
    const opening = expect(thread.open()).rejects.toMatchObject({ code: 'EMBED_FAILED' })

    await thread.close()

    await opening
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

  test('that cannot get a thread says so, and fails what it was asked meanwhile', async () => {
    const entry = new URL('https://millrace.test/worker.ts')
    const options = { name: 'the worker', entry, setup: () => 'care' as Script, clock: systemClock }
    const thread: ScriptedThread = new WorkerThread({ ...options, requestTimeoutMs: 60_000 })

    await expect(thread.open()).rejects.toMatchObject({
      fact: expect.stringMatching(/^the worker cannot get a thread: /),
    })

    await expect(thread.run(always('one'))).rejects.toMatchObject({ fact: 'the worker is not running' })
  })

  test('that is not open refuses requests', async () => {
    await expect(threadWith('care').run(always('one'))).rejects.toMatchObject({ code: 'EMBED_FAILED' })
  })
})

describe('a worker that does not get ready', () => {
  test.each([
    ['ended', () => true],
    ['left alone, where it cannot be ended,', () => false],
  ])('in time is an error; its thread is %s and can be opened again', async (_what, mayTerminate) => {
    const clock = new ManualClock()
    const thread = threadWith(['never open', 'care'], { clock, mayTerminate, startTimeoutMs: 3_000 })
    const opening = expect(thread.open()).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'the worker was not ready within 3000 ms',
    })

    clock.advance(3_000)

    await opening
    expect(thread.isUsable).toBe(false)
    expect(await thread.open()).toBe('opened with care')
  })

  test('after a crash is started again, and not for ever', async () => {
    const clock = new ManualClock()
    const thread = threadWith(['care', 'never open'], { clock })
    await thread.open()
    const request = thread.run(always('crash'))
    let failed = false
    const failing = expect(request.finally(() => (failed = true))).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'the worker was not ready within 120000 ms',
    })

    await vi.waitUntil(
      () => {
        if (thread.restarts > 0) clock.advance(120_000)
        return failed
      },
      { timeout: 15_000, interval: 1 },
    )

    await failing
    expect(thread.restarts).toBe(3)
    expect(thread.isUsable).toBe(false)
  })

  test('is not waited for by a close', async () => {
    const clock = new ManualClock()
    const thread = threadWith('never open', { clock })
    const opening = expect(thread.open()).rejects.toMatchObject({ fact: 'the worker did not stop in time' })

    const closing = thread.close()
    clock.advance(5_000)

    await Promise.all([opening, closing])
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

  test('that a request causes again and again fails that request alone', async () => {
    const thread = threadWith('care')
    await thread.open()

    const poison = thread.run(always('crash'))
    const innocent = thread.run(always('one'))

    await expect(poison).rejects.toMatchObject({ code: 'EMBED_FAILED', fact: 'the worker stopped with exit code 7' })
    expect(await innocent).toBe('did one')
    expect(thread.restarts).toBe(3)
    expect(thread.isUsable).toBe(true)
  })

  test('that repeats itself at every start ends with an error and not with a loop', async () => {
    const thread = threadWith(['care', 'crash at start'])
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
    const thread = threadWith(['care', 'crash at start', 'crash at start', 'crash at start', 'care'])
    await thread.open()
    await expect(thread.run(always('crash'))).rejects.toThrow()
    expect(thread.isUsable).toBe(false)

    await thread.open()

    expect(await thread.run(always('one'))).toBe('did one')
  })
})

describe('a request that is not answered in time', () => {
  test.each([
    ['ended', () => true],
    ['left alone, where it cannot be ended,', () => false],
  ])('fails alone; the thread is %s and another one gets the rest', async (_what, mayTerminate) => {
    const clock = new ManualClock()
    const thread = threadWith('care', { clock, mayTerminate })
    await thread.open()
    const answers = [thread.run(always('one')), thread.run(always('hang')), thread.run(always('two'))]
    const hanging = expect(answers[1]).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: 'the worker did not answer within 60000 ms',
    })
    expect(await answers[0]).toBe('did one')

    clock.advance(60_000)

    await hanging
    expect(await answers[2]).toBe('did two')
    expect(thread.restarts).toBe(1)
  })

  test('is one whose own time is over: the time of those before it does not count', async () => {
    const clock = new ManualClock()
    const thread = threadWith('care', { clock })
    await thread.open()
    const first = thread.run(always('one'))
    const second = thread.run(always('hang'))
    const hanging = expect(second).rejects.toMatchObject({ code: 'EMBED_FAILED' })
    clock.advance(59_000)
    await first

    clock.advance(59_000)
    expect(thread.restarts).toBe(0)
    clock.advance(1_000)

    await hanging
    expect(thread.restarts).toBe(1)
  })
})

describe('closing', () => {
  test('does not wait for ever for a worker that hangs', async () => {
    const clock = new ManualClock()
    const thread = threadWith('care', { clock })
    await thread.open()
    const hanging = thread.run(always('hang'))

    const closing = thread.close()
    clock.advance(5_000)

    await closing
    await expect(hanging).rejects.toMatchObject({ code: 'EMBED_FAILED', fact: 'the worker did not stop in time' })
  })

  test('is the end also of a worker that is ready only afterwards', async () => {
    const clock = new ManualClock()
    const thread = threadWith('open slowly', { clock })
    const opening = expect(thread.open()).rejects.toMatchObject({ code: 'EMBED_FAILED' })

    const closing = thread.close()
    clock.advance(5_000)
    await closing

    await opening
    expect(thread.isUsable).toBe(false)
    await expect(thread.run(always('one'))).rejects.toMatchObject({ code: 'EMBED_FAILED' })
    expect(thread.restarts).toBe(0)
  })
})
