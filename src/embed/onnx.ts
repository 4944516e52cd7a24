import { basename, resolve as toPath } from 'node:path'
import { type Clock, systemClock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { BatchFormerOptions } from './batch-former.ts'
import { type DevicePool, openDevicePool } from './device-pool.ts'
import type { Embedder, EmbedderId, EmbedderStats, EmbedOptions } from './embedder.ts'
import type { Device } from './engine.ts'
import { type DeviceChoice, deviceChoices, factsOf } from './execution-provider.ts'
import { inferenceDevice } from './inference-device.ts'
import { type Precision, precisions } from './models/weights.ts'
import { refuseUnknownOptions } from './option-names.ts'
import type { PreparedModel, PreparedModelOptions, ServedModel } from './prepared-model.ts'
import { SharedOpening } from './shared-opening.ts'
import type { ExecutionProvider, Mode } from './worker-protocol.ts'

export interface OnnxOptions extends Omit<BatchFormerOptions, 'maxBatchTokens'> {
  /** A bundled model (`all-MiniLM-L6-v2`), one that `millrace model add` has added, or a folder in the layout of Hugging Face. */
  readonly model: string
  /**
   * Which weights of the folder to use. Default: `int8` if it has them, else `fp32`. With `int8-dynamic` every text runs alone, because
   * its vector would depend on the other texts of its batch.
   */
  readonly precision?: Precision
  /** An ONNX file of the folder, by its path from there, instead of the usual names. */
  readonly file?: string
  /** Where added models are. Default `~/.cache/millrace/models`. */
  readonly modelsFolder?: string
  /**
   * Keeps the first numbers of every vector and scales them to unit length again, for models that were trained for it (Matryoshka).
   * Default: all.
   */
  readonly dimensions?: number
  /**
   * What is done with quantized weights. `exact` multiplies in fp32; `fast` multiplies with int8 activations: a sixth faster for full
   * batches, twice as fast for a short text alone, and a little less exact. The two give different vectors, so the mode is part of the
   * embedder's id. Default `exact`.
   */
  readonly mode?: Mode
  /**
   * What the model runs on. A device that cannot be used is an error, DEVICE_UNUSABLE; `auto` takes the next one. The one that is live is
   * in `stats`. Default `cpu`.
   */
  readonly device?: DeviceChoice
  /** Runs every text alone, so that its vector is the same to the last bit in any company and after a restart. Default false. */
  readonly deterministic?: boolean
  /**
   * Rows x longest row of a batch. `measure` finds it when the embedder opens, in at most half a second. Default 512 on a CPU (256 in
   * fast mode), 16,384 on other devices.
   */
  readonly maxBatchTokens?: number | 'measure'
  /** Worker threads, each with a copy of the model and one core. Default: the cores of the process, at most 8; on other devices 1. */
  readonly workers?: number
  /** Put before every text, for models that were trained with one: `passage: `. Default: what the model says, else nothing. */
  readonly prefix?: string
  /** Put before questions instead: `query: `. Default: what the model says, else nothing. */
  readonly queryPrefix?: string
  /**
   * How long a batch may take. A worker that takes longer counts as hung: it is replaced, and the texts of its batch are tried one by
   * one; the one that hangs again gets EMBED_TEXT. Milliseconds, default 120,000.
   */
  readonly batchTimeoutMs?: number
  /** How long a worker may take to load the model. Milliseconds, default 120,000. */
  readonly startTimeoutMs?: number
  readonly clock?: Clock
}

/**
 * Embeds with an ONNX model in worker threads; inference never runs on the thread that calls.
 *
 * Throws CONFIG_INVALID for options that are unknown, missing or out of range.
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

function checkOptions(options: OnnxOptions): void {
  if (typeof options !== 'object' || options === null)
    throw new StreamError('CONFIG_INVALID', `onnx takes an object with options, not ${options}`, {
      fix: missingModelFix,
    })
  refuseUnknownOptions('onnx', options, Object.keys(known))
  if (typeof options.model !== 'string' || options.model === '')
    throw new StreamError('CONFIG_INVALID', 'the option "model" is missing', { fix: missingModelFix })
  checkValues(options)
}

function checkValues(options: OnnxOptions): void {
  for (const name of counts) {
    const value = options[name]
    if (name === 'maxBatchTokens' && value === 'measure') continue
    if (value !== undefined && !(Number.isInteger(value) && Number(value) >= 1))
      throw new StreamError('CONFIG_INVALID', `${name} must be a whole number from 1, not ${value}`)
  }
  for (const [name, allowed] of Object.entries(choices)) {
    const value = options[name as keyof typeof choices]
    if (value !== undefined && !(allowed as readonly unknown[]).includes(value))
      throw new StreamError('CONFIG_INVALID', `${name} must be one of ${allowed.join(', ')}, not ${value}`)
  }
}

const missingModelFix = "Name a model of `millrace model list`, or a folder: { model: 'all-MiniLM-L6-v2' }."
/** Every option there is. */
const known: Readonly<Record<keyof OnnxOptions, true>> = {
  model: true,
  precision: true,
  file: true,
  modelsFolder: true,
  dimensions: true,
  mode: true,
  device: true,
  deterministic: true,
  maxBatchTokens: true,
  maxBatchTexts: true,
  maxPaddingTokens: true,
  maxWaitMs: true,
  windowTexts: true,
  workers: true,
  prefix: true,
  queryPrefix: true,
  batchTimeoutMs: true,
  startTimeoutMs: true,
  clock: true,
}
/** Options that are whole numbers from 1. */
const counts = [
  'dimensions',
  'workers',
  'maxBatchTokens',
  'maxBatchTexts',
  'maxPaddingTokens',
  'windowTexts',
  'batchTimeoutMs',
  'startTimeoutMs',
] as const
/** Options that have only these values. */
const choices = {
  mode: ['exact', 'fast'],
  precision: precisions,
  device: deviceChoices,
} as const satisfies { readonly [Name in keyof OnnxOptions]?: readonly OnnxOptions[Name][] }
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
    return engine.embed(
      texts.map((text) => this.#prepared(text, options.inputType)),
      signal,
      options,
    )
  }

  /** The text that the model reads. */
  #prepared(text: string, inputType: EmbedOptions['inputType'] = 'passage'): string {
    const { model, use } = this.#opening.known
    const whole = (inputType === 'query' ? use.queryPrefix : use.prefix) + text
    return model.lowercase ? whole.toLowerCase() : whole
  }
}

/**
 * The threads start first: they boot and load the runtime while this thread loads the rest of its modules, reads the model, and makes its
 * tokenizer ready.
 */
async function openModel(options: PreparedModelOptions): Promise<Opened> {
  const { promise: preparing, resolve } = Promise.withResolvers<PreparedModel>()
  const opening = openDevices(options, preparing)
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
    Array.from({ length: options.workers ?? factsOf(provider).workers }, (_, at) =>
      inferenceDevice(reading, {
        ...{ name, provider, mode, dimensions, clock, batchTimeoutMs, startTimeoutMs, number: at + 1 },
      }),
    )
  const check = async (opened: Device) => (await preparing).check(opened)
  return openDevicePool({ choice: device, make, check })
}
