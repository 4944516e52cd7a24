import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { dirname, join, relative, sep } from 'node:path'
import { reasonOf, StreamError } from '../../errors.ts'
import { type OnnxFile, readOnnxFile } from './onnx-file.ts'
import { leaves } from './weights.ts'

/** A folder whose files may be known by their hashes. */
export interface PinnedFolder {
  readonly name: string
  readonly folder: string
  /** SHA-256 by path in the folder, of the files for which it is known. */
  readonly pins: Readonly<Record<string, string>>
}

/** What describes a model, as far as it has it. LICENSE and NOTICE go where the weights go. */
export const describingFiles: readonly string[] = [
  'config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'modules.json',
  '1_Pooling/config.json',
  'sentence_bert_config.json',
  'config_sentence_transformers.json',
  'LICENSE',
  'NOTICE',
]

/** They scale activations by the largest number of a run. */
const dynamicOperators = ['DynamicQuantizeLinear', 'DynamicQuantizeMatMul', 'DynamicQuantizeLSTM']

interface WithWeights {
  readonly weights: string
}

/** Hundreds of small reads, so those who ask about one model share them. */
const outlines = new WeakMap<WithWeights, OnnxFile>()

function outlineOf(model: WithWeights): OnnxFile {
  const outline = outlines.get(model) ?? readOnnxFile(model.weights)
  outlines.set(model, outline)
  return outline
}

/** True when a vector would depend on the other texts of its batch. */
export function dependsOnCompany(model: WithWeights): boolean {
  const { operators } = outlineOf(model)
  return dynamicOperators.some((operator) => operators.has(operator))
}

/** The ONNX file and the files beside it that hold its larger weights. Throws MODEL_INVALID when these would lie elsewhere. */
export function weightsFiles(model: WithWeights & { readonly name: string }): readonly string[] {
  const { name, weights } = model
  const { externalFiles } = outlineOf(model)
  const outside = externalFiles.find(leaves)
  if (outside !== undefined)
    throw new StreamError('MODEL_INVALID', `model "${name}" wants weights from "${outside}", outside of its folder`)
  return [weights, ...externalFiles.map((file) => join(dirname(weights), file))]
}

/**
 * The hash of one file is that of its bytes, as other tools print it; of several, that of their hashes. Throws MODEL_INVALID when one of
 * them is not what was pinned.
 */
export async function hashFiles(model: PinnedFolder, files: readonly string[]): Promise<string> {
  const hashes: string[] = []
  for (const file of files) {
    const hash = await hashFile(file)
    refuseChanged(model, file, hash)
    hashes.push(hash)
  }
  if (hashes.length === 1) return hashes[0] ?? ''
  return createHash('sha256').update(hashes.join()).digest('hex')
}

const pieceBytes = 256 * 1024

/** SHA-256 in hexadecimal digits. Reads in pieces: the event loop keeps turning. Throws MODEL_MISSING. */
export async function hashFile(file: string): Promise<string> {
  const hash = createHash('sha256')
  // The same memory for every piece: a stream takes new memory for each, which costs as much as the hashing.
  const piece = Buffer.allocUnsafe(pieceBytes)
  try {
    await using handle = await open(file)
    for (;;) {
      const { bytesRead } = await handle.read(piece)
      if (bytesRead === 0) return hash.digest('hex')
      hash.update(piece.subarray(0, bytesRead))
    }
  } catch (cause) {
    throw new StreamError('MODEL_MISSING', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  }
}

/** Throws MODEL_INVALID when the model is pinned to another file of that name. */
export function refuseChanged({ name, folder, pins }: PinnedFolder, file: string, found: string): void {
  const path = relative(folder, file).split(sep).join('/')
  const expected = pins[path]
  if (expected === undefined || expected === found) return
  throw new StreamError(
    'MODEL_INVALID',
    `${path} of model "${name}" has the SHA-256 ${found} and not ${expected}: it is truncated, damaged or another file`,
    { details: { file, expected, found } },
  )
}
