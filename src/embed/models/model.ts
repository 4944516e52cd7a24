import { createHash } from 'node:crypto'
import { createReadStream, existsSync, readdirSync, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { basename, join, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { reasonOf, StreamError } from '../../errors.ts'
import type { EmbedderId } from '../embedder.ts'
import type { Mode, Pooling } from '../worker-protocol.ts'

/** A model on disk: what its folder says about how to run it. */
export interface Model {
  /** Name of the folder: does not change when the folder moves. */
  readonly name: string
  readonly folder: string
  /** Path of the ONNX file. */
  readonly weights: string
  readonly dimensions: number
  readonly maxTokens: number
  readonly pooling: Pooling
  readonly normalize: boolean
  readonly golden: Golden | undefined
}

/** A text and its vectors as the model gave them when it was packed, to notice a runtime that computes something else. */
export interface Golden {
  readonly text: string
  readonly vectors: Readonly<Record<Mode, readonly number[]>>
}

/** Models that come with the package; the path is the same from `src/embed/models` and `dist/embed/models`. */
const bundledFolder = fileURLToPath(new URL('../../../models/', import.meta.url))
const weightsFiles = ['model_w8.onnx', 'model.onnx', join('onnx', 'model.onnx')]

/**
 * Reads the description of a model: a bundled one by its name, or a folder in the layout of Hugging Face and sentence-transformers
 * (`config.json`, `tokenizer.json`, weights as `model_w8.onnx`, `model.onnx` or `onnx/model.onnx`; optional `modules.json`,
 * `1_Pooling/config.json`, `sentence_bert_config.json`).
 *
 * Throws MODEL_MISSING when the folder or a file of it is not there, MODEL_INVALID when it says something that cannot be followed.
 */
export async function readModel(nameOrFolder: string): Promise<Model> {
  const folder = folderOf(nameOrFolder)
  const weights = weightsFiles.map((file) => join(folder, file)).find(isFile)
  if (!weights) throw new StreamError('MODEL_MISSING', `${folder} has none of ${weightsFiles.join(', ')}`)
  const config = await readJson(join(folder, 'config.json'))
  if (!config) throw new StreamError('MODEL_MISSING', `${folder} has no config.json`)
  const dimensions = positive(config.hidden_size, `hidden_size in ${join(folder, 'config.json')}`)
  const limits = await readJson(join(folder, 'sentence_bert_config.json'))
  return {
    name: basename(folder),
    folder,
    weights,
    dimensions,
    // The limit of tokenizer.json is that of its last use; sentence-transformers takes this one.
    maxTokens: positive(limits?.max_seq_length ?? config.max_position_embeddings, `the length limit of ${folder}`),
    pooling: poolingOf(await readJson(join(folder, '1_Pooling', 'config.json')), folder),
    normalize: await normalizes(folder),
    golden: await readGolden(folder, dimensions),
  }
}

/** What the user decides about the vectors of a model. */
export interface ModelUse {
  readonly mode: Mode
  readonly prefix: string
}

/** Everything that decides the vectors goes in; what only decides the speed, or where the folder lies, stays out. */
export async function identify(model: Model, { mode, prefix }: ModelUse): Promise<EmbedderId> {
  const { name, pooling, normalize, maxTokens } = model
  // Large models keep their weights beside the graph.
  const weights = await hashFiles([model.weights, `${model.weights}_data`].filter(isFile))
  const tokenizer = await hashFiles([join(model.folder, 'tokenizer.json')])
  const facts = { name, weights, tokenizer, pooling, normalize, maxTokens, prefix, mode }
  const digest = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
  return `onnx:${name}:${mode}:${digest.slice(0, 16)}`
}

/** SHA-256 over files, one after the other. Reads in pieces: the event loop keeps turning. */
async function hashFiles(files: readonly string[]): Promise<string> {
  const hash = createHash('sha256')
  for (const file of files) await pipeline(createReadStream(file, { highWaterMark: 1 << 20 }), hash, { end: false })
  return hash.digest('hex')
}

function folderOf(nameOrFolder: string): string {
  const bundled = existsSync(bundledFolder) ? readdirSync(bundledFolder) : []
  if (bundled.includes(nameOrFolder)) return join(bundledFolder, nameOrFolder)
  const folder = resolve(nameOrFolder)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return folder
  throw new StreamError(
    'MODEL_MISSING',
    `model "${nameOrFolder}" is neither a bundled one (${bundled.join(', ')}) nor a folder`,
  )
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

/** The object in a JSON file; undefined when there is no such file. */
async function readJson(file: string): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (!isFile(file)) return undefined
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (typeof value === 'object' && value !== null) return value as Readonly<Record<string, unknown>>
  } catch (cause) {
    throw new StreamError('MODEL_INVALID', `${file} is not valid JSON: ${reasonOf(cause)}`, { cause })
  }
  throw new StreamError('MODEL_INVALID', `${file} does not hold a JSON object`)
}

function positive(value: unknown, what: string): number {
  if (typeof value === 'number' && Number.isInteger(value) && value > 0) return value
  throw new StreamError('MODEL_INVALID', `${what} is not a positive whole number`)
}

/** sentence-transformers pools by the mean when nothing is said. */
function poolingOf(config: Readonly<Record<string, unknown>> | undefined, folder: string): Pooling {
  if (!config) return 'mean'
  const chosen = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true)
  if (chosen.join() === 'pooling_mode_mean_tokens') return 'mean'
  if (chosen.join() === 'pooling_mode_cls_token') return 'cls'
  if (chosen.join() === 'pooling_mode_lasttoken') return 'last'
  throw new StreamError(
    'MODEL_INVALID',
    `${folder} pools by ${chosen.join(', ') || 'nothing'}; known are mean, cls and last token`,
  )
}

async function readGolden(folder: string, dimensions: number): Promise<Golden | undefined> {
  const file = join(folder, 'golden.json')
  const golden = (await readJson(file)) as Partial<Golden> | undefined
  if (!golden) return undefined
  const { text, vectors } = golden
  const fits = vectors?.exact?.length === dimensions && vectors.fast?.length === dimensions
  if (typeof text === 'string' && fits) return { text, vectors }
  throw new StreamError('MODEL_INVALID', `${file} does not hold a text and its ${dimensions} numbers in both modes`)
}

/** Unit length is what an index expects, so it is also the default. */
async function normalizes(folder: string): Promise<boolean> {
  const file = join(folder, 'modules.json')
  const modules = await readJson(file)
  if (!modules) return true
  const kinds = Object.values(modules).map((module) =>
    String((module as { type?: unknown }).type)
      .split('.')
      .at(-1),
  )
  const unknown = kinds.filter((kind) => !['Transformer', 'Pooling', 'Normalize'].includes(kind ?? ''))
  if (unknown.length > 0)
    throw new StreamError('MODEL_INVALID', `${file} asks for ${unknown.join(', ')}, which is not supported`)
  return kinds.includes('Normalize')
}
