import { expect, onTestFinished, test } from 'vitest'
import { ManualClock } from '../../src/clock.ts'
import { type Device, EmbeddingEngine, type Encode, type EngineOptions } from '../../src/embed/engine.ts'
import { encodeCharacters, FakeDevice, settle } from '../support/fake-device.ts'

const never = new AbortController().signal

function engineWith(devices: readonly FakeDevice[], options: Partial<EngineOptions>) {
  const clock = new ManualClock()
  const engine = new EmbeddingEngine({ devices, encode: encodeCharacters, dimensions: 2, clock, ...options })
  onTestFinished(() => engine.close())
  return { engine }
}

test('a device that asks for patience gets no further batch as long as it does', async () => {
  const patient = new FakeDevice()
  const other = new FakeDevice()
  const { engine } = engineWith([patient, other], { maxBatchTokens: 10 })
  patient.isOverloaded = true
  const call = engine.embed(['aaaaaaaaaa', 'bbbbbbbbbb', 'cccccccccc'], never)
  await settle()
  expect([patient.batches.length, other.batches.length]).toEqual([0, 2])

  patient.isOverloaded = false
  other.finishNext()
  await settle()

  expect([patient.batches.length, other.batches.length]).toEqual([1, 2])
  patient.finishNext()
  other.finishNext()
  expect(await call).toHaveLength(3)
})

test('a device may be given more batches at a time, and the least busy one gets the next', async () => {
  const devices = [new FakeDevice(), new FakeDevice()]
  const { engine } = engineWith(devices, { maxBatchTokens: 10, maxBatchesPerDevice: 3 })
  const texts = Array.from({ length: 8 }, (_, at) => `${at}`.repeat(10))
  const call = engine.embed(texts, never)

  await settle()

  expect(devices.map((device) => device.waiting.length)).toEqual([3, 3])
  for (let batch = 0; batch < 4; batch++) {
    for (const device of devices) device.finishNext()
    await settle()
  }
  expect(await call).toHaveLength(8)
})

test('a refused text is found by halves where refusing takes no time', async () => {
  const device = new FakeDevice({ automatic: true, refuses: (text) => text.includes('!') })
  const { engine } = engineWith([device], { refusedParts: 2 })
  const texts = ['0', '1', '2', '3', '4', '!', '6', '7']

  const results = await Promise.allSettled(texts.map((text) => engine.embed([text], never)))

  expect(results.map(({ status }) => status === 'rejected')).toEqual(texts.map((text) => text === '!'))
  // Sorted by length, then by arrival: a text of length 1 each.
  expect(device.batches.slice(1)).toEqual([
    ['0', '1', '2', '3'],
    ['4', '!', '6', '7'],
    ['4', '!'],
    ['4'],
    ['!'],
    ['.'],
    ['6', '7'],
  ])
})

test('a server tokenizes texts itself: nobody is told how long that took', async () => {
  const told: unknown[] = []
  const device: Device<string> = {
    isUsable: true,
    open: async () => undefined,
    run: async (rows) => new Float32Array(2 * rows.length),
  }
  const encode: Encode<string> = (texts) => texts.map((ids) => ({ ids, truncated: false }))
  const engine = new EmbeddingEngine({ devices: [device], encode, dimensions: 2, clock: new ManualClock() })
  onTestFinished(() => engine.close())

  await engine.embed(['text'], never, { onTokenized: (work) => told.push(work), onBatch: () => told.push('batch') })

  expect(told).toEqual(['batch'])
})
