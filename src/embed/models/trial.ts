import { join } from 'node:path'
import { systemClock } from '../../clock.ts'
import { factOf, isStreamError, StreamError } from '../../errors.ts'
import { openDevicePool } from '../device-pool.ts'
import type { Embedder } from '../embedder.ts'
import { type InferenceDevice, inferenceDevice } from '../inference-device.ts'
import { readJson } from './json-file.ts'
import type { Model } from './model.ts'
import { goldenText, sampleTexts } from './sample-texts.ts'
import { largestId } from './vocabulary.ts'

/** The golden one, and two of every length that chunks have. */
export const trialTexts: readonly string[] = [goldenText, ...sampleTexts(16)]

/**
 * What a model must stand before it is added, and whenever it is verified: weights for every token of its tokenizer, and vectors for some
 * ordinary texts. The embedder is an open one of the model.
 *
 * Rejects with MODEL_INVALID when it does not, with the signal's reason when it aborts.
 */
export async function refuseUnfit(embedder: Embedder, model: Model, signal: AbortSignal): Promise<void> {
  // First: a text may have a token that the weights do not know.
  await refuseUnknownTokens(model)
  await refuseUnusableVectors(embedder, model, signal)
}

/** The second half of it. Whoever embeds refuses vectors that are not finite, or zero. */
export async function refuseUnusableVectors(
  embedder: Embedder,
  { name }: Pick<Model, 'name'>,
  signal: AbortSignal,
): Promise<void> {
  try {
    await embedder.embed(trialTexts, signal)
  } catch (cause) {
    if (!isStreamError(cause) || cause.code !== 'EMBED_TEXT') throw cause
    const text = trialTexts[Number(cause.details.text)] ?? ''
    throw new StreamError(
      'MODEL_INVALID',
      `model "${name}" gives no usable vector for the text "${beginningOf(text)}": ${factOf(cause.cause)}`,
      { cause, fix: 'Export the model again, or choose another one.' },
    )
  }
}

/** The smallest id: it is in every vocabulary. */
const firstToken = 0
const requestTimeoutMs = 120_000

/** A table of vectors has no holes: when the weights know the last token, they know all. */
async function refuseUnknownTokens(model: Model): Promise<void> {
  const token = largestId(await readJson(join(model.folder, 'tokenizer.json')))
  if (token < firstToken) return
  const pool = await openDevicePool({
    // It says when an id lies outside of a table. Others give zeros, or whatever is there.
    choice: 'cpu',
    make: (provider) => {
      const options = { name: model.name, provider, mode: 'exact', clock: systemClock, number: 1 } as const
      return [inferenceDevice(Promise.resolve(model), { ...options, batchTimeoutMs: requestTimeoutMs })]
    },
    check: (device) => requireToken(device, token, model),
  })
  await pool.close()
}

async function requireToken(device: InferenceDevice, token: number, { name }: Model): Promise<void> {
  try {
    await device.run([Int32Array.of(token)])
  } catch (cause) {
    // Whoever cannot bear any token has another reason.
    await device.run([Int32Array.of(firstToken)])
    throw new StreamError(
      'MODEL_INVALID',
      `the weights of model "${name}" do not know token ${token}, which its tokenizer may give: ${factOf(cause)}`,
      { cause, fix: 'Put the tokenizer of this model in its place, or weights that belong to it.' },
    )
  }
}

function beginningOf(text: string): string {
  const most = 40
  return text.length > most ? `${text.slice(0, most)}...` : text
}
