import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { StreamError } from '../../errors.ts'
import type { Embedder } from '../embedder.ts'
import { onnx } from '../onnx.ts'
import type { OnnxOptions } from '../onnx-options.ts'
import { compareAll, cosine } from '../similarity/index.ts'
import { whileOpen } from './while-open.ts'

export interface VerifyOptions extends OnnxOptions {
  /** The model that is right, with the weights that are right. Without it the model is not compared with anything. */
  readonly against?: OnnxOptions | undefined
  /** What the two are compared on: texts like those that will be embedded, at least two different ones. */
  readonly texts?: readonly string[]
  readonly signal: AbortSignal
}

export interface ModelReport {
  readonly id: string
  readonly folder: string
  readonly weights: string
  readonly dimensions: number
  readonly maxTokens: number
  /** Files that have the SHA-256 that they are pinned to. */
  readonly pinnedFiles: number
  /** The golden text was embedded and gave the vector that was recorded; false when the model has none. */
  readonly hasGolden: boolean
  /** Texts in English that were embedded, and have vectors that are finite and not zero. */
  readonly sampleTexts: number
  readonly quality: Quality | undefined
}

export interface Quality {
  /** Id of the model that it was compared with. */
  readonly against: string
  readonly texts: number
  /** Cosine of the two vectors of a text. */
  readonly cosine: { readonly mean: number; readonly least: number }
  /** Neighbours of a text that were looked at: 10, or all others when there are fewer. */
  readonly k: number
  /** Part of the neighbours of a text that are its neighbours with the other model too, mean over the texts. */
  readonly recall: number
}

const maxNeighbours = 10
/** Comparing all texts with all takes some seconds for so many. */
const maxTexts = 2_000
const textsPerTurn = 16

/**
 * Looks whether a model is what it should be: the hashes of its pinned files, then by opening it its tokenizer, its shapes and its golden
 * text, then by running it whether it has vectors for sample texts and weights for the tokens of its tokenizer, as when a model is added;
 * then how near its vectors are to those of another one, which is usually its fp32 original.
 *
 * Rejects with MODEL_MISSING or MODEL_INVALID and the first thing that is wrong.
 */
export async function verifyModel({ against, texts = [], signal, ...options }: VerifyOptions): Promise<ModelReport> {
  const [{ readModel }, files, { refuseUnfit, trialTexts }] = await Promise.all([
    import('./model.ts'),
    import('./model-files.ts'),
    import('./trial.ts'),
  ])
  const model = await readModel(options.model, options)
  const pinned = Object.keys(model.pins)
  for (const path of pinned) {
    const file = join(model.folder, path)
    files.refuseChanged(model, file, await files.hashFile(file))
  }
  return whileOpen(onnx(options), async (embedder) => {
    await refuseUnfit(embedder, model, signal)
    return {
      id: embedder.id,
      folder: model.folder,
      weights: model.weights,
      dimensions: embedder.dimensions,
      maxTokens: embedder.maxTokens,
      pinnedFiles: pinned.length,
      hasGolden: model.golden !== undefined,
      sampleTexts: trialTexts.length,
      quality: against && (await compareWith(against, embedder, { texts, signal })),
    }
  })
}

async function compareWith(
  against: OnnxOptions,
  embedder: Embedder,
  { texts, signal }: { readonly texts: readonly string[]; readonly signal: AbortSignal },
): Promise<Quality> {
  const compared = [...new Set(texts)].slice(0, maxTexts)
  if (compared.length < 2) throw new StreamError('USAGE', 'comparing two models takes at least two different texts')
  const vectors = await embedder.embed(compared, signal)
  return whileOpen(onnx(against), async (reference) => {
    if (reference.dimensions !== embedder.dimensions)
      throw new StreamError(
        'MODEL_INVALID',
        `${reference.id} gives ${reference.dimensions} dimensions, ${embedder.id} gives ${embedder.dimensions}`,
        { fix: 'Compare a model with its own original.' },
      )
    return { against: reference.id, ...(await qualityOf(vectors, await reference.embed(compared, signal))) }
  })
}

/** How near vectors are to those that are right, text by text. */
export async function qualityOf(
  vectors: readonly Float32Array[],
  right: readonly Float32Array[],
): Promise<Omit<Quality, 'against'>> {
  const cosines = vectors.map((vector, at) => cosine(vector, right[at] ?? vector))
  const k = Math.min(maxNeighbours, vectors.length - 1)
  const found = await neighboursOf(vectors, k)
  const recalls = (await neighboursOf(right, k)).map((wanted, at) => {
    const hits = new Set(found[at])
    return wanted.filter((neighbour) => hits.has(neighbour)).length / k
  })
  return {
    texts: vectors.length,
    cosine: { mean: mean(cosines), least: cosines.reduce((least, value) => Math.min(least, value), 1) },
    k,
    recall: mean(recalls),
  }
}

/** The `k` texts that are nearest to each text. The event loop gets its turn after every few of them. */
async function neighboursOf(vectors: readonly Float32Array[], k: number): Promise<readonly (readonly number[])[]> {
  const neighbours: (readonly number[])[] = []
  while (neighbours.length < vectors.length) {
    const from = neighbours.length
    const rows = compareAll(vectors.slice(from, from + textsPerTurn), vectors)
    for (const [row, scores] of rows.entries()) neighbours.push(largest(scores, from + row, k))
    await nextTurn()
  }
  return neighbours
}

/** Places of the `k` largest scores, that of the text itself left out. */
function largest(scores: Float64Array, self: number, k: number): readonly number[] {
  const others = Array.from(scores.keys()).filter((at) => at !== self)
  return others.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0) || a - b).slice(0, k)
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length
}
