import { factOf, isStreamError, StreamError } from '../errors.ts'
import { type DeviceChoice, fixFor, providersFor } from './execution-provider.ts'
import type { InferenceDevice } from './inference-device.ts'
import type { ExecutionProvider } from './worker-protocol.ts'

/** The devices of a model, all of one provider. */
export interface DevicePool {
  readonly provider: ExecutionProvider
  readonly devices: readonly InferenceDevice[]
  close(): Promise<void>
}

export interface DevicePoolOptions {
  readonly choice: DeviceChoice
  /** Makes the devices of a provider; they are opened here. */
  readonly make: (provider: ExecutionProvider) => readonly InferenceDevice[]
  /** Asked of every device as soon as it opens; rejects when it does not compute what it should. */
  readonly check: (device: InferenceDevice) => Promise<void>
}

/**
 * Opens the devices of the first provider that works, and computes what it should. Rejects with the reason of the CPU when that is what
 * does not work, with DEVICE_UNUSABLE when it is another device that was asked for, or the runtime that cannot be loaded.
 */
export function openDevicePool({ choice, ...parts }: DevicePoolOptions): Promise<DevicePool> {
  return openFirst(providersFor(choice), parts)
}

async function openFirst(
  [provider, next, ...others]: ReturnType<typeof providersFor>,
  parts: Omit<DevicePoolOptions, 'choice'>,
): Promise<DevicePool> {
  const devices = parts.make(provider)
  const close = closerOf(devices)
  const results = await Promise.allSettled(devices.map((device) => openAndCheck(device, parts.check)))
  const failure = results.find((result) => result.status === 'rejected')
  if (!failure) return { provider, devices, close }
  await close()
  if (next) return openFirst([next, ...others], parts)
  const isOfModel = provider === 'cpu' && !(isStreamError(failure.reason) && failure.reason.code === 'DEVICE_UNUSABLE')
  throw isOfModel ? failure.reason : unusable(provider, failure.reason)
}

/** It is asked while it opens, and answers as soon as it can. What keeps it from opening is the reason of whatever else fails. */
async function openAndCheck(device: InferenceDevice, check: DevicePoolOptions['check']): Promise<void> {
  const opening = device.open()
  const checking = check(device)
  checking.catch(() => undefined)
  await opening
  await checking
}

function unusable(provider: ExecutionProvider, cause: unknown): StreamError {
  const reason = factOf(cause)
  return new StreamError('DEVICE_UNUSABLE', `the device ${provider} cannot be used: ${reason}`, {
    cause,
    fix: fixFor(provider),
  })
}

/** Until they are closed, the process does not end while one of the devices is where that would abort it. */
function closerOf(devices: readonly InferenceDevice[]): () => Promise<void> {
  const halt = () => {
    for (const device of devices) device.halt()
  }
  process.on('exit', halt)
  return async () => {
    await Promise.all(devices.map((device) => device.close()))
    if (!devices.some((device) => device.isInside)) process.off('exit', halt)
  }
}
