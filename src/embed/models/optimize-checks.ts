import { missingModelFix, modes, onnxOptionKinds } from '../onnx-options.ts'
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
import type { Constraints, OptimizeOptions } from './optimize.ts'
import { precisions } from './weights.ts'

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
export function checkOptimization(constraints: Constraints, options: OptimizeOptions): void {
  refuseUnknownOptions('optimizeForConstraints', constraints, Object.keys(constraintKinds))
  requireKinds(constraints, constraintKinds)
  refuseUnknownOptions('optimizeForConstraints', options, Object.keys(optimizeOptionKinds), missingModelFix)
  requireModel(options.model, missingModelFix)
  requireKinds(options, optimizeOptionKinds)
}
