import type { Clock } from '../clock.ts'
import type { BatchFormerOptions } from './batch-former.ts'
import { type DeviceChoice, deviceChoices } from './execution-provider.ts'
import { type Precision, precisions } from './models/weights.ts'
import { refuseUnknownOptions } from './option-names.ts'
import {
  clockKind,
  count,
  flag,
  type OptionKinds,
  oneOf,
  orName,
  requireKinds,
  requireModel,
  text,
  timeout,
  wait,
} from './option-values.ts'
import type { Mode } from './worker-protocol.ts'

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

/** Throws CONFIG_INVALID for options that are unknown, missing, of another kind or out of range. */
export function checkOptions(options: OnnxOptions): void {
  refuseUnknownOptions('onnx', options, Object.keys(onnxOptionKinds), missingModelFix)
  requireKinds(options, onnxOptionKinds)
  requireModel(options.model, missingModelFix)
}

export const modes: readonly Mode[] = ['exact', 'fast']
export const missingModelFix = "Name a model of `millrace model list`, or a folder: { model: 'all-MiniLM-L6-v2' }."
/** Every option there is. */
export const onnxOptionKinds: OptionKinds<OnnxOptions> = {
  model: text,
  precision: oneOf(precisions),
  file: text,
  modelsFolder: text,
  dimensions: count,
  mode: oneOf(modes),
  device: oneOf(deviceChoices),
  deterministic: flag,
  maxBatchTokens: orName(count, 'measure'),
  maxBatchTexts: count,
  maxPaddingTokens: count,
  maxWaitMs: wait,
  windowTexts: count,
  workers: count,
  prefix: text,
  queryPrefix: text,
  batchTimeoutMs: timeout,
  startTimeoutMs: timeout,
  clock: clockKind,
}
