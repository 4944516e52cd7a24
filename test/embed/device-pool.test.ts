import { describe, expect, test } from 'vitest'
import { type DevicePool, openDevicePool } from '../../src/embed/device-pool.ts'
import { batchingFor, type DeviceChoice, fixFor, workersFor } from '../../src/embed/execution-provider.ts'
import type { InferenceDevice } from '../../src/embed/inference-device.ts'
import { onnx } from '../../src/embed/onnx.ts'
import type { ExecutionProvider } from '../../src/embed/worker-protocol.ts'
import { StreamError } from '../../src/errors.ts'
import { FakeDevice } from '../support/fake-device.ts'

class FakeInference extends FakeDevice implements InferenceDevice {
  readonly provider: ExecutionProvider
  readonly isInside = false
  closed = 0
  halted = 0

  constructor(provider: ExecutionProvider, opens: boolean) {
    super()
    this.provider = provider
    if (!opens) this.open = () => Promise.reject(new StreamError('MODEL_INVALID', 'no library'))
  }

  async close(): Promise<void> {
    this.closed++
  }

  halt(): void {
    this.halted++
  }
}

/** A machine where these providers work, with two devices each. */
function machineWith(works: readonly ExecutionProvider[], computesWrong: readonly ExecutionProvider[] = []) {
  const made: FakeInference[] = []
  const open = (choice: DeviceChoice): Promise<DevicePool> =>
    openDevicePool({
      choice,
      make(provider) {
        const devices = [1, 2].map(() => new FakeInference(provider, works.includes(provider)))
        made.push(...devices)
        return devices
      },
      async check(device) {
        if (computesWrong.some((provider) => made.some((one) => one === device && one.provider === provider)))
          throw new StreamError('MODEL_INVALID', 'gives another vector')
      },
    })
  return { made, open }
}

describe('auto', () => {
  test('takes the first provider that works, and closes those that did not', async () => {
    const { made, open } = machineWith(['webgpu', 'cpu'])

    const { provider, devices } = await open('auto')

    expect(provider).toBe('webgpu')
    expect(made.map((device) => [device.provider, device.closed])).toEqual([
      ['cuda', 1],
      ['cuda', 1],
      ['dml', 1],
      ['dml', 1],
      ['webgpu', 0],
      ['webgpu', 0],
    ])
    expect(devices).toEqual(made.slice(4))
  })

  test('passes over a provider that computes something else', async () => {
    const { open } = machineWith(['cuda', 'cpu'], ['cuda'])

    expect((await open('auto')).provider).toBe('cpu')
  })

  test('fails for the reason of the CPU when nothing works', async () => {
    await expect(machineWith([]).open('auto')).rejects.toMatchObject({ code: 'MODEL_INVALID', fact: 'no library' })
  })
})

describe('a device that was asked for', () => {
  test('is an error when it does not work, with what to do; nothing else is tried', async () => {
    const { made, open } = machineWith(['cpu'])

    await expect(open('cuda')).rejects.toMatchObject({
      code: 'DEVICE_UNUSABLE',
      reaction: 'fatal',
      fact: 'the device cuda cannot be used: no library',
      fix: fixFor('cuda'),
    })
    expect(made.map((device) => device.provider)).toEqual(['cuda', 'cuda'])
  })

  test('is an error when one of its sessions does not compute what it should', async () => {
    await expect(machineWith(['webgpu'], ['webgpu']).open('webgpu')).rejects.toMatchObject({
      fact: 'the device webgpu cannot be used: gives another vector',
    })
  })
})

describe('a device that opens', () => {
  function opening(check: () => Promise<void>) {
    const device = new FakeInference('cpu', true)
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    device.open = () => promise
    return { device, resolve, reject, pool: openDevicePool({ choice: 'cpu', make: () => [device], check }) }
  }

  test('is asked what it computes before it is open', async () => {
    const asked = Promise.withResolvers<void>()
    const { device, resolve, pool } = opening(async () => asked.resolve())

    await asked.promise
    resolve()

    expect((await pool).devices).toEqual([device])
  })

  test('and cannot says why itself, and is closed no sooner', async () => {
    const { device, reject, pool } = opening(() => Promise.reject(new StreamError('EMBED_FAILED', 'it has stopped')))
    const failing = expect(pool).rejects.toMatchObject({ fact: 'the file is broken' })

    await new Promise(setImmediate)
    expect(device.closed).toBe(0)
    reject(new StreamError('MODEL_INVALID', 'the file is broken'))

    await failing
    expect(device.closed).toBe(1)
  })
})

test('the end of the process waits for open devices only', async () => {
  const before = process.listenerCount('exit')
  const { open, made } = machineWith(['cpu'])

  const { close } = await open('auto')
  expect(process.listenerCount('exit')).toBe(before + 1)
  await close()

  expect(process.listenerCount('exit')).toBe(before)
  expect(made.filter(({ provider }) => provider === 'cpu').map(({ closed }) => closed)).toEqual([1, 1])
})

describe('batches', () => {
  test('are small on a CPU and large elsewhere', () => {
    expect(batchingFor('cpu')).toMatchObject({ maxBatchTokens: 512, maxWaitMs: 20 })
    expect(batchingFor('cpu', 'fast').maxBatchTokens).toBe(256)
    for (const provider of ['cuda', 'tensorrt', 'webgpu', 'dml', 'coreml'] as const) {
      expect(batchingFor(provider)).toMatchObject({ maxBatchTokens: 16_384, maxWaitMs: 50 })
      expect(workersFor(provider)).toBe(1)
    }
  })
})

test('the runtime of this machine is asked: a provider that it does not have is named', async () => {
  const device = process.platform === 'darwin' ? 'dml' : 'coreml'
  const embedder = onnx({ model: 'all-MiniLM-L6-v2', device, workers: 1 })

  await expect(embedder.open()).rejects.toMatchObject({
    code: 'DEVICE_UNUSABLE',
    fact: expect.stringMatching(/^the device \w+ cannot be used: model "all-MiniLM-L6-v2", worker 1 cannot start: /),
  })
})

test('a device that does not exist is refused', () => {
  expect(() => onnx({ model: 'all-MiniLM-L6-v2', device: 'tpu' as DeviceChoice })).toThrow(
    'CONFIG_INVALID: device must be one of auto, cpu, cuda, tensorrt, webgpu, dml, coreml, not tpu.',
  )
})
