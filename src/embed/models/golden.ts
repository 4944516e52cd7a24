import type { Embedder } from '../embedder.ts'
import { onnx } from '../onnx.ts'
import type { Mode } from '../worker-protocol.ts'
import { type Golden, type ModelChoice, readModel } from './model.ts'
import { dependsOnCompany } from './model-files.ts'
import { goldenText } from './sample-texts.ts'
import { refuseUnfit, refuseUnusableVectors } from './trial.ts'
import { whileOpen } from './while-open.ts'

export interface RecordGoldenOptions extends Omit<ModelChoice, 'modelsFolder'> {
  readonly signal: AbortSignal
}

/**
 * Runs a model for the first time, and records what it gives for one text, so that every later start notices a runtime that computes
 * something else. Undefined for weights whose vectors differ between processors anyway. Rejects with MODEL_INVALID when it does not run.
 */
export async function recordGolden(folder: string, options: RecordGoldenOptions): Promise<Golden | undefined> {
  const model = await readModel(folder, options)
  const exact = await whileOpen(embedderOf(folder, 'exact', options), async (embedder) => {
    await refuseUnfit(embedder, model, options.signal)
    return goldenVector(embedder, options.signal)
  })
  if (dependsOnCompany(model)) return undefined
  const fast = await whileOpen(embedderOf(folder, 'fast', options), async (embedder) => {
    await refuseUnusableVectors(embedder, model, options.signal)
    return goldenVector(embedder, options.signal)
  })
  return { text: goldenText, vectors: { exact, fast } }
}

function embedderOf(folder: string, mode: Mode, { precision, file }: RecordGoldenOptions): Embedder {
  const weights = { ...(precision && { precision }), ...(file !== undefined && { file }) }
  return onnx({ model: folder, ...weights, mode, prefix: '', workers: 1 })
}

async function goldenVector(embedder: Embedder, signal: AbortSignal): Promise<readonly number[]> {
  const [vector = new Float32Array()] = await embedder.embed([goldenText], signal)
  return Array.from(vector, (value) => Number(value.toPrecision(6)))
}
