import { onnx } from '../onnx.ts'
import type { Mode } from '../worker-protocol.ts'
import { type Golden, type ModelChoice, readModel } from './model.ts'
import { dependsOnCompany } from './model-files.ts'

/** In lower case: it is compared without what is done to texts before the tokenizer. */
const text = 'a mill grinds grain into flour, and the river turns its wheel.'

/**
 * Runs a model for the first time, and records what it gives for one text, so that every later start notices a runtime that computes
 * something else. Undefined for weights whose vectors differ between processors anyway. Rejects with MODEL_INVALID when it does not run.
 */
export async function recordGolden(folder: string, choice: ModelChoice): Promise<Golden | undefined> {
  const exact = await vectorOf(folder, { ...choice, mode: 'exact' })
  if (dependsOnCompany(await readModel(folder, choice))) return undefined
  return { text, vectors: { exact, fast: await vectorOf(folder, { ...choice, mode: 'fast' }) } }
}

async function vectorOf(
  folder: string,
  { mode, precision, file }: ModelChoice & { readonly mode: Mode },
): Promise<readonly number[]> {
  const weights = { ...(precision && { precision }), ...(file !== undefined && { file }) }
  const embedder = onnx({ model: folder, ...weights, mode, prefix: '', workers: 1 })
  await embedder.open()
  try {
    const [vector = new Float32Array()] = await embedder.embed([text], new AbortController().signal)
    return Array.from(vector, (value) => Number(value.toPrecision(6)))
  } finally {
    await embedder.close()
  }
}
