import { missingModelFix, modes, type OnnxOptions, onnxOptionKinds } from '../onnx-options.ts'
import { refuseUnknownOptions } from '../option-names.ts'
import {
  action,
  count,
  type OptionKind,
  type OptionKinds,
  orName,
  requireKinds,
  requireModel,
  someOf,
  texts,
} from '../option-values.ts'
import type { Mode } from '../worker-protocol.ts'
import type { Measurement, Tuning } from './measure.ts'
import { type Precision, precisions } from './weights.ts'

/** What an embedder has to keep to on this machine. */
export interface Constraints {
  /** Resident memory of the whole process, in MiB. */
  readonly maxMemoryMb?: number
  /** Texts a second when there is always work. */
  readonly targetPerSecond?: number
  /** 95 of 100 texts that come alone take no longer. Milliseconds. */
  readonly maxLatencyMs?: number
}

export interface OptimizeOptions extends Omit<OnnxOptions, Exclude<keyof Tuning, 'precision'>> {
  /** Texts like those that will be embedded. Default: English texts of 8 to 112 words. */
  readonly texts?: readonly string[]
  /** Arithmetics that may be chosen. `fast` gives other vectors, so it has to be allowed. Default: `exact` alone. */
  readonly modes?: readonly Mode[]
  /**
   * Precisions that may be chosen, the preferred one first, or `all` that the model has weights of. They give other vectors, so they have to
   * be allowed. Default: `precision` alone.
   */
  readonly precisions?: readonly Precision[] | 'all'
  /** Most workers to try. Default: the cores of the process. */
  readonly maxWorkers?: number
  readonly signal?: AbortSignal
  /** For tests: measures one candidate. */
  readonly measureCandidate?: (settings: Settings) => Promise<Measurement>
}

/** What is chosen; a precision only where `precisions` allow one. */
export type Settings = Required<Pick<Tuning, 'workers' | 'maxBatchTokens' | 'mode'>> & Pick<Tuning, 'precision'>

const constraintKind: OptionKind = {
  words: 'a number above 0',
  type: 'number',
  fits: (value) => Number.isFinite(value) && Number(value) > 0,
}
const constraintKinds: OptionKinds<Constraints> = {
  maxMemoryMb: constraintKind,
  targetPerSecond: constraintKind,
  maxLatencyMs: constraintKind,
}
const { workers: _workers, maxBatchTokens: _maxBatchTokens, mode: _mode, ...modelOptionKinds } = onnxOptionKinds
const optimizeOptionKinds: OptionKinds<OptimizeOptions> = {
  ...modelOptionKinds,
  texts,
  modes: someOf(modes),
  precisions: orName(someOf(precisions), 'all'),
  maxWorkers: count,
  signal: { words: 'an AbortSignal', type: 'object', fits: (value) => value instanceof AbortSignal },
  measureCandidate: action,
}

/** Throws CONFIG_INVALID for a constraint or an option that is unknown, missing or of another kind. */
export function checkOptions(constraints: Constraints, options: OptimizeOptions): void {
  refuseUnknownOptions('optimizeForConstraints', constraints, Object.keys(constraintKinds))
  requireKinds(constraints, constraintKinds)
  refuseUnknownOptions('optimizeForConstraints', options, Object.keys(optimizeOptionKinds), missingModelFix)
  requireKinds(options, optimizeOptionKinds)
  requireModel(options.model, missingModelFix)
}
