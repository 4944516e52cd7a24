import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { Device } from './engine.ts'
import type { Model } from './models.ts'
import { type InferenceReady, type InferenceSetup, type PackedRows, packRows } from './worker-protocol.ts'
import { WorkerThread, workerFile } from './worker-thread.ts'

export interface InferenceDeviceOptions {
  readonly mode: 'exact' | 'fast'
  readonly clock: Clock
  /** Counts the workers of a model from 1; shown in errors. */
  readonly number: number
}

/** A worker thread with one session of the model. */
export function inferenceDevice(model: Model, { mode, clock, number }: InferenceDeviceOptions): Device {
  const { name, weights, pooling, normalize } = model
  const thread = new WorkerThread<InferenceSetup, InferenceReady, PackedRows, Float32Array>({
    name: `model "${name}", worker ${number}`,
    entry: workerFile('worker'),
    setup: { weights, mode, pooling, normalize },
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
  }
}
