import type { OnnxOptions } from '../onnx-options.ts'

/**
 * Options of `onnx` for two ends that many people want.
 *
 * - `high_performance`: int8 activations where the weights are quantized. The vectors are a little less exact, and of another id
 *   than those of the default: an index is made with one of them.
 * - `low_memory`: one worker with small batches. The vectors are those of the default.
 *
 * @example
 * const embedder = onnx({ model: 'all-MiniLM-L6-v2', ...presets.low_memory })
 */
export const presets = {
  high_performance: { mode: 'fast' },
  low_memory: { workers: 1, maxBatchTokens: 256, windowTexts: 64 },
} as const satisfies Readonly<Record<string, Partial<OnnxOptions>>>

export type Preset = keyof typeof presets
