import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { StreamError } from '../../../src/errors.ts'
import { noHeaders } from '../../../src/record.ts'
import { Gate, type PassEnd } from '../../../src/runtime/nodes/gate.ts'
import { Generation } from '../../../src/runtime/nodes/generation.ts'
import { InFlight } from '../../../src/runtime/nodes/in-flight.ts'
import type { Pass } from '../../../src/runtime/nodes/pass.ts'

/** A gate whose passes are finished by hand, and the order in which records came through and were done. */
function handGate({ coalesces = false } = {}) {
  const clock = new ManualClock()
  const entered: string[] = []
  const done: string[] = []
  const open = new Map<string, { pass: Pass; finish: () => void }>()
  const gate = new Gate({
    coalesces,
    clock,
    enter: (pass) => {
      entered.push(String(pass.record.value))
      const work = Promise.withResolvers<void>()
      pass.follow('node', work.promise)
      open.set(String(pass.record.value), { pass, finish: work.resolve })
    },
    settle: (pass: Pass, end: PassEnd) => (pass.failure?.error.reaction === 'retry' ? end.again() : end.done()),
  })
  const offer = (key: string, value: string, recovering = false): void => {
    const generation = new Generation(0, 0)
    generation.take()
    const origin = { generation, source: undefined, raw: undefined, bytes: 1, recovering }
    const inFlight = new InFlight(origin, () => done.push(value))
    gate.offer({ key, value, timestamp: 0, headers: noHeaders }, inFlight)
    inFlight.release()
  }
  const finish = async (value: string): Promise<void> => {
    open.get(value)?.finish()
    await Promise.resolve()
    await Promise.resolve()
  }
  return { gate, clock, offer, finish, entered, done, open }
}

describe('the gate', () => {
  test('lets one record of a key through at a time, in order', async () => {
    const { offer, finish, entered, done } = handGate()

    offer('a', 'a1')
    offer('a', 'a2')
    offer('a', 'a3')
    const first = [...entered]
    await finish('a1')
    const second = [...entered]
    await finish('a2')
    await finish('a3')

    expect([first, second]).toEqual([['a1'], ['a1', 'a2']])
    expect(done).toEqual(['a1', 'a2', 'a3'])
  })

  test('does not hold a key back for another one', () => {
    const { offer, entered } = handGate()

    offer('a', 'slow')
    offer('b', 'delete of another document')

    expect(entered).toEqual(['slow', 'delete of another document'])
  })

  test('inside the recovery window lets the last version alone through, once it is released', async () => {
    const { gate, offer, finish, entered, done } = handGate({ coalesces: true })

    offer('a', 'a1', true)
    offer('b', 'b1', true)
    offer('a', 'a2', true)
    offer('a', 'a3')
    const before = [...entered]
    gate.release()
    const released = [...entered]
    await finish('a3')
    await finish('b1')
    offer('a', 'a4')

    expect(before).toEqual([])
    expect(released).toEqual(['a3', 'b1'])
    expect(done).toEqual(['a1', 'a2', 'a3', 'b1'])
    expect(entered).toEqual(['a3', 'b1', 'a4'])
  })

  test('holds nothing back where every version counts', () => {
    const { offer, entered } = handGate()

    offer('a', 'a1', true)

    expect(entered).toEqual(['a1'])
  })

  test('replaces a waiting version by a newer one: the replaced one is done without effect', async () => {
    const { offer, finish, entered, done } = handGate({ coalesces: true })

    offer('a', 'a1')
    offer('a', 'a2')
    offer('a', 'a3')
    const doneBefore = [...done]
    await finish('a1')
    await finish('a3')

    expect(doneBefore).toEqual(['a2'])
    expect(entered).toEqual(['a1', 'a3'])
    expect(done).toEqual(['a2', 'a1', 'a3'])
  })

  test('hands the window mark of a replaced version on to the version that replaces it', async () => {
    const { offer, finish, open } = handGate({ coalesces: true })

    offer('a', 'a1')
    offer('a', 'a2', true)
    offer('a', 'a3', false)
    await finish('a1')

    expect(open.get('a3')?.pass.recovering).toBe(true)
  })

  test('keeps the key taken while a failed record waits for its next try', async () => {
    const { offer, finish, entered, open, clock } = handGate()
    offer('a', 'a1')
    offer('a', 'a2')

    open.get('a1')?.pass.fail('node', new StreamError('EMBED_FAILED', 'the worker died'))
    await finish('a1')
    const whileWaiting = [...entered]
    clock.advance(1_000)

    expect(whileWaiting).toEqual(['a1'])
    expect(entered).toEqual(['a1', 'a1'])
  })

  test('does not recurse: ten thousand versions of a key may finish at once', () => {
    let passed = 0
    let hold: PassEnd | undefined
    const gate = new Gate({
      coalesces: false,
      clock: new ManualClock(),
      enter: () => {
        passed++
      },
      settle: (_, end) => {
        if (passed === 1) hold = end
        else end.done()
      },
    })
    const generation = new Generation(0, 0)
    for (let index = 0; index < 10_000; index++) {
      const origin = { generation, source: undefined, raw: undefined, bytes: 1, recovering: false }
      gate.offer({ key: 'a', value: index, timestamp: 0, headers: noHeaders }, new InFlight(origin, () => undefined))
    }

    hold?.done()

    expect(passed).toBe(10_000)
  })

  test('tells everything beyond it to stop when the task ends', () => {
    const { gate, offer, open } = handGate()
    offer('a', 'a1')

    gate.abort(new StreamError('MEMBER_FENCED', 'closed'))

    expect(open.get('a1')?.pass.signal.aborted).toBe(true)
  })
})
