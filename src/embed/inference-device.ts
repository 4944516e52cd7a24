import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { Device } from './engine.ts'
import type { Model } from './models.ts'
import { NativeGate } from './native-gate.ts'
import { type InferenceReady, type InferenceSetup, type Mode, type PackedRows, packRows } from './worker-protocol.ts'
import { WorkerThread, workerFile } from './worker-thread.ts'

export interface InferenceDeviceOptions {
  readonly mode: Mode
  readonly clock: Clock
  /** Counts the workers of a model from 1; shown in errors. */
  readonly number: number
}

/** Longer than any batch. */
const haltTimeoutMs = 5_000

export interface InferenceDevice extends Device {
  close(): Promise<void>
  /** For the end of the process: blocks until the worker is where it can be ended. It does not work any more afterwards. */
  halt(): void
}

/** A worker thread with one session of the model. */
export function inferenceDevice(model: Model, { mode, clock, number }: InferenceDeviceOptions): InferenceDevice {
  const { name, weights, pooling, normalize } = model
  const gate = new NativeGate()
  const thread = new WorkerThread<InferenceSetup, InferenceReady, PackedRows, Float32Array>({
    name: `model "${name}", worker ${number}`,
    entry: workerFile('worker'),
    setup: { weights, mode, pooling, normalize, gate: gate.shared },
    clock,
  })
  return {
    get isUsable() {
      return thread.isUsable
    },
    async open() {
      const { dimensions } = await thread.open()
      if (dimensions !== model.dimensions)
        throw new StreamError(
          'MODEL_INVALID',
          `the weights of model "${name}" give ${dimensions} dimensions, its config.json says ${model.dimensions}`,
        )
    },
    run: (rows) =>
      thread.run(() => {
        const message = packRows(rows)
        return { message, transfer: [message.ids.buffer, message.lengths.buffer] }
      }),
    close: () => thread.close(),
    halt: () => gate.shut(haltTimeoutMs),
  }
}
