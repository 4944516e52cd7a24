import { basename, resolve as toPath } from 'node:path'
import { systemClock } from '../clock.ts'
import { type DevicePool, openDevicePool } from './device-pool.ts'
import {
  type Embedder,
  type EmbedderId,
  type EmbedderStats,
  type EmbedOptions,
  type InputType,
  inputTypeOf,
} from './embedder.ts'
import type { Device } from './engine.ts'
import { workersFor } from './execution-provider.ts'
import { inferenceDevice } from './inference-device.ts'
import { checkOptions, type OnnxOptions } from './onnx-options.ts'
import type { PreparedModel, PreparedModelOptions, ServedModel } from './prepared-model.ts'
import { SharedOpening } from './shared-opening.ts'
import type { ExecutionProvider } from './worker-protocol.ts'

/**
 * Embeds with an ONNX model in worker threads; inference never runs on the thread that calls.
 *
 * Throws CONFIG_INVALID for options that are unknown, missing, of another kind or out of range.
 * `open` throws MODEL_MISSING or MODEL_INVALID when the model cannot be used, also when it no longer computes what it computed
 * when it was packed, and DEVICE_UNUSABLE when the chosen device cannot be used.
 *
 * Batches are formed for the device: 512 tokens (256 in fast mode) and 20 ms of waiting at most on a CPU, 16,384 and 50 ms on others.
 *
 * @example
 * const embedder = onnx({ model: 'all-MiniLM-L6-v2' })
 * await embedder.open()
 * const [vector] = await embedder.embed(['Mills grind.'], AbortSignal.timeout(10_000)) // 384 numbers of unit length
 */
export function onnx(options: OnnxOptions): Embedder {
  checkOptions(options)
  return new OnnxEmbedder(options)
}

/** A full batch of the bundled model takes 60 ms on an idle core. */
const defaultBatchTimeoutMs = 120_000

/** What runs, and what is known of it, once the model is open. */
interface Opened extends ServedModel {
  close(): Promise<void>
}

class OnnxEmbedder implements Embedder {
  readonly #opening: SharedOpening<Opened>

  constructor(options: OnnxOptions) {
    this.#opening = new SharedOpening(`the embedder of ${options.model}`, () =>
      openModel({
        ...options,
        clock: options.clock ?? systemClock,
        batchTimeoutMs: options.batchTimeoutMs ?? defaultBatchTimeoutMs,
      }),
    )
  }

  get id(): EmbedderId {
    return this.#opening.known.id
  }

  get dimensions(): number {
    return this.#opening.known.use.dimensions
  }

  get maxTokens(): number {
    return this.#opening.known.model.maxTokens
  }

  get countTokens(): Embedder['countTokens'] {
    const { count } = this.#opening.known.tokenizer
    return count && ((text) => count(this.#prepared(text)))
  }

  get textsAtOnce(): number {
    return this.#opening.known.engine.textsAtOnce
  }

  get stats(): EmbedderStats {
    return { device: this.#opening.known.device, ...this.#opening.known.engine.stats }
  }

  open(): Promise<void> {
    return this.#opening.open()
  }

  close(): Promise<void> {
    return this.#opening.close()
  }

  async embed(texts: readonly string[], signal: AbortSignal, options: EmbedOptions = {}): Promise<Float32Array[]> {
    const { engine } = this.#opening.opened
    const inputType = inputTypeOf(options)
    return engine.embed(
      texts.map((text) => this.#prepared(text, inputType)),
      signal,
      options,
    )
  }

  /** The text that the model reads. */
  #prepared(text: string, inputType: InputType = 'passage'): string {
    const { model, use } = this.#opening.known
    const whole = (inputType === 'query' ? use.queryPrefix : use.prefix) + text
    return model.lowercase ? whole.toLowerCase() : whole
  }
}

/**
 * The threads start first: they boot and load the runtime and the weights while this thread loads the rest of its modules, reads the model,
 * and makes its tokenizer ready.
 */
async function openModel(options: PreparedModelOptions): Promise<Opened> {
  const { promise: preparing, resolve } = Promise.withResolvers<PreparedModel>()
  const opening = openDevices(options, preparing)
  // Whoever waits for the model hears of it, perhaps later.
  opening.catch(() => undefined)
  resolve(import('./prepared-model.ts').then(({ PreparedModel }) => PreparedModel.read(options)))
  const close = async () => {
    const closing = [opening, preparing].map((promise) => promise.then((opened) => opened.close()))
    await Promise.allSettled(closing)
  }
  try {
    const served = await (await preparing).serve(opening)
    const closeAll = () => {
      served.engine.close()
      return close()
    }
    return { ...served, close: closeAll }
  } catch (error) {
    await close()
    throw error
  }
}

function openDevices(options: PreparedModelOptions, preparing: Promise<PreparedModel>): Promise<DevicePool> {
  const { model, mode = 'exact', device = 'cpu', dimensions, startTimeoutMs, clock, batchTimeoutMs } = options
  const reading = preparing.then((prepared) => prepared.model)
  const name = basename(toPath(model))
  const make = (provider: ExecutionProvider) =>
    Array.from({ length: options.workers ?? workersFor(provider) }, (_, at) =>
      inferenceDevice(reading, {
        ...{ name, provider, mode, dimensions, clock, batchTimeoutMs, startTimeoutMs, number: at + 1 },
      }),
    )
  const check = async (made: Device) => (await preparing).check(made)
  return openDevicePool({ choice: device, make, check })
}
