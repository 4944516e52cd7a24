import { expect, test } from 'vitest'
import { NativeGate } from '../../src/embed/native-gate.ts'
import { settle } from '../support/fake-device.ts'

test('what passes the gate is done and answered', async () => {
  const gate = new NativeGate()

  expect(await gate.pass(async () => 'done')).toBe('done')
  await expect(gate.pass(() => Promise.reject(new RangeError('failed')))).rejects.toThrow('failed')
})

test('nothing passes a gate that was shut, also seen from the other thread', async () => {
  const gate = new NativeGate()
  const sameGate = new NativeGate(gate.shared)
  let entered = false

  sameGate.shut(1_000)
  let answered = false
  void gate
    .pass(async () => {
      entered = true
    })
    .then(() => {
      answered = true
    })
  await settle()

  expect({ entered, answered }).toEqual({ entered: false, answered: false })
})

test('the gate is shut at once when nobody is inside, and stays open for whoever is', async () => {
  const gate = new NativeGate()
  const { promise: mayLeave, resolve: leave } = Promise.withResolvers<void>()
  const passing = gate.pass(() => mayLeave)

  const wasShut = gate.tryShut()
  leave()
  await passing

  expect(wasShut).toBe(false)
  expect(await gate.pass(async () => 'again')).toBe('again')
  expect(gate.tryShut()).toBe(true)
})

test('shutting the gate waits for whoever is inside, and no longer than it may', async () => {
  const gate = new NativeGate()
  let leave: (value: string) => void = () => undefined
  const passing = gate.pass(() => new Promise<string>((resolve) => (leave = resolve)))

  const startedAt = process.hrtime.bigint()
  gate.shut(30)
  const waitedMs = Number(process.hrtime.bigint() - startedAt) / 1e6
  leave('out')

  expect(waitedMs).toBeGreaterThanOrEqual(29)
  expect(await passing).toBe('out')
})
