import { StreamError } from '../errors.ts'
import { type BatchBudgetOptions, measureBatchTokens } from './batch-budget.ts'
import type { DevicePool } from './device-pool.ts'
import type { EmbedderId } from './embedder.ts'
import { type Device, EmbeddingEngine, harmlessText } from './engine.ts'
import { batchingFor } from './execution-provider.ts'
import { identify, type Model, type ModelUse, readModel } from './models/model.ts'
import { modelUse, runsAlone } from './models/model-use.ts'
import type { OnnxOptions } from './onnx-options.ts'
import { cosineOf } from './similarity/kernels.ts'
import { type ModelTokenizer, openTokenizer } from './tokenizer.ts'

export type PreparedModelOptions = OnnxOptions & Required<Pick<OnnxOptions, 'clock' | 'batchTimeoutMs'>>

/** What embeds, and what is known of it. */
export interface ServedModel {
  readonly id: EmbedderId
  readonly model: Model
  readonly use: Required<ModelUse>
  readonly engine: EmbeddingEngine
  readonly tokenizer: ModelTokenizer
  readonly device: string
}

/** Kernels differ between processors in the last bits (1e-7 in fp32, 1e-4 of the cosine with int8 activations), a wrong one by far more. */
const leastGoldenCosine = { exact: 0.99999, fast: 0.999 }

/** A model that was read, and all of it that needs no device: that is made ready while the devices load the weights. */
export class PreparedModel {
  readonly model: Model
  readonly #use: Required<ModelUse>
  readonly #options: PreparedModelOptions
  readonly #tokenizing: Promise<ModelTokenizer>
  readonly #identifying: Promise<EmbedderId>
  /** Tokens of the golden text, or of a harmless one. */
  readonly #firstText: Promise<readonly Int32Array[]>

  /** Throws as `readModel` and `modelUse` do. */
  static async read(options: PreparedModelOptions): Promise<PreparedModel> {
    return new PreparedModel(await readModel(options.model, options), options)
  }

  private constructor(model: Model, options: PreparedModelOptions) {
    const { clock, batchTimeoutMs } = options
    this.model = model
    this.#options = options
    this.#use = modelUse(model, options)
    this.#tokenizing = openTokenizer(model, { clock, requestTimeoutMs: batchTimeoutMs })
    this.#identifying = identify(model, this.#use)
    this.#firstText = this.#firstTokens()
    // Whoever opens a device, or the tokenizer, hears of it.
    this.#firstText.catch(() => undefined)
  }

  /**
   * The runtime chooses kernels by processor and version: notice here when they compute something else, or nothing. Before the first text,
   * because no wrong vector may be handed out, and on every device, because each has a session of its own.
   */
  async check(device: Device): Promise<void> {
    const { golden, name } = this.model
    const { mode } = this.#use
    const rows = await this.#firstText
    // A tokenizer may leave out what is no word: then nobody knows what it makes of one.
    if (rows.every((row) => row.length === 0)) return
    const vector = await device.run(rows)
    if (!Number.isFinite(vector[0]))
      throw new StreamError(
        'MODEL_INVALID',
        `model "${name}" embeds nothing: the vector of a harmless text has numbers that are not finite, or zeros alone`,
        { fix: 'Export the model again, or choose another one.' },
      )
    if (!golden) return
    const similarity = cosineOf(vector, Float32Array.from(golden.vectors[mode].slice(0, vector.length)))
    if (similarity >= leastGoldenCosine[mode]) return
    throw new StreamError(
      'MODEL_INVALID',
      `model "${name}" in mode ${mode} gives another vector than when it was packed: cosine ${similarity.toFixed(5)}`,
      { details: { similarity } },
    )
  }

  async #firstTokens(): Promise<readonly Int32Array[]> {
    const { encode } = await this.#tokenizing
    const encodings = await encode([this.model.golden?.text ?? harmlessText])
    return encodings.map(({ ids }) => ids)
  }

  /** What embeds on the devices, when they and the tokenizer are open. */
  async serve(opening: Promise<DevicePool>): Promise<ServedModel> {
    const { clock, precision, deterministic } = this.#options
    try {
      const isAlone = runsAlone(this.model, precision) || deterministic
      const [pool, tokenizer, id] = await Promise.all([opening, this.#tokenizing, this.#identifying])
      const maxBatchTokens = await batchTokensOf(pool, this.#options, { clock, maxTokens: this.model.maxTokens })
      const { provider, devices } = pool
      const { mode, dimensions } = this.#use
      const engine = new EmbeddingEngine({
        ...batchingFor(provider, mode),
        ...this.#options,
        maxBatchTokens,
        ...(isAlone && { maxBatchTexts: 1 }),
        ...{ devices, dimensions, encode: tokenizer.encode },
      })
      return { id, model: this.model, use: this.#use, engine, tokenizer, device: provider }
    } catch (error) {
      // A file that is not what it should be is the reason of whatever else went wrong.
      await this.#identifying
      throw error
    }
  }

  async close(): Promise<void> {
    await Promise.allSettled([this.#tokenizing.then((tokenizer) => tokenizer.close()), this.#identifying])
  }
}

async function batchTokensOf(
  { provider, devices: [device] }: DevicePool,
  { mode, maxBatchTokens = batchingFor(provider, mode).maxBatchTokens }: OnnxOptions,
  measuring: BatchBudgetOptions,
): Promise<number> {
  if (maxBatchTokens !== 'measure') return maxBatchTokens
  return device ? measureBatchTokens(device, measuring) : batchingFor(provider, mode).maxBatchTokens
}
