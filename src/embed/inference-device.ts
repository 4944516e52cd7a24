import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import { ownThread } from '../package-folder.ts'
import type { Device } from './engine.ts'
import type { Model } from './models/model.ts'
import { NativeGate } from './native-gate.ts'
import {
  type ExecutionProvider,
  type InferenceReady,
  type InferenceSetup,
  type Mode,
  type PackedRows,
  packRows,
} from './worker-protocol.ts'
import { WorkerThread } from './worker-thread.ts'

export interface InferenceDeviceOptions {
  /** Of the model; shown in errors. */
  readonly name: string
  readonly provider: ExecutionProvider
  readonly mode: Mode
  /** Numbers per vector. Default: all that the model gives. */
  readonly dimensions?: number | undefined
  readonly clock: Clock
  /** Counts the workers of a model from 1; shown in errors. */
  readonly number: number
  /** Milliseconds that a batch may take until the worker counts as hung and is replaced. */
  readonly batchTimeoutMs: number
  readonly startTimeoutMs?: number | undefined
}

/** Enough to load what a run needs; a longer text would only delay the first one. */
const warmUpTokens = 16

/** Longer than any batch. */
const haltTimeoutMs = 5_000

export interface InferenceDevice extends Device {
  /** A thread, perhaps one that was replaced, is where it cannot be ended. */
  readonly isInside: boolean
  close(): Promise<void>
  /** For the end of the process: blocks until the worker is where it can be ended. It does not work any more afterwards. */
  halt(): void
}

/**
 * A worker thread with one session of the model. `open` starts the thread at once: it boots, which takes a quarter of the time to a session,
 * while the model is read. Rejects with what `reading` rejects with.
 */
export function inferenceDevice(reading: Promise<Model>, options: InferenceDeviceOptions): InferenceDevice {
  const { name, clock, number, batchTimeoutMs, startTimeoutMs } = options
  // A gate for every start: that of a worker that was replaced stays the business of that worker.
  const gates: NativeGate[] = []
  const thread = new WorkerThread<InferenceSetup, InferenceReady, PackedRows, Float32Array>({
    name: `model "${name}", worker ${number}`,
    entry: ownThread('embed/worker'),
    setup: () => {
      const gate = new NativeGate()
      gates.push(gate)
      return setupOf(reading, { ...options, gate, isFirst: gates.length === 1 })
    },
    clock,
    requestTimeoutMs: batchTimeoutMs,
    ...(startTimeoutMs !== undefined && { startTimeoutMs }),
    mayTerminate: () => gates.at(-1)?.tryShut() ?? true,
  })
  return {
    get isUsable() {
      return thread.isUsable
    },
    async open() {
      const { dimensions } = await thread.open()
      const { dimensions: promised } = await reading
      if (dimensions !== promised)
        throw new StreamError(
          'MODEL_INVALID',
          `the weights of model "${name}" give ${dimensions} dimensions, its config.json says ${promised}`,
        )
    },
    run: (rows) =>
      thread.run(() => {
        const message = packRows(rows)
        return { message, transfer: [message.ids.buffer, message.lengths.buffer] }
      }),
    get isInside() {
      return gates.some((gate) => gate.isInside)
    },
    close: () => thread.close(),
    halt: () => {
      for (const gate of gates) gate.shut(haltTimeoutMs)
    },
  }
}

interface Start extends Pick<InferenceDeviceOptions, 'provider' | 'mode' | 'dimensions'> {
  readonly gate: NativeGate
  /** The device has not been started before. */
  readonly isFirst: boolean
}

async function setupOf(reading: Promise<Model>, { gate, isFirst, provider, mode, dimensions }: Start) {
  const { weights, pooling, normalize, dimensions: modelDimensions, golden, maxTokens } = await reading
  // The first text of a new session is the golden one, if there is one: whoever opens the device checks it. Without one nothing has shown yet
  // that the graph gives the shapes that it says.
  const isWarmedUp = golden !== undefined && isFirst
  return {
    ...{ weights, provider, mode, pooling, normalize, modelDimensions, gate: gate.shared },
    dimensions: dimensions ?? modelDimensions,
    warmUpTokens: isWarmedUp ? 0 : Math.min(warmUpTokens, maxTokens),
  } satisfies InferenceSetup
}
