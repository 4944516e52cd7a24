import { createHash } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { StreamError } from '../../errors.ts'
import { packageFolder } from '../../package-folder.ts'
import type { EmbedderId } from '../embedder.ts'
import type { Mode, Pooling } from '../worker-protocol.ts'
import { isPositive, positive, readJson } from './json-file.ts'
import { readMaxTokens } from './max-tokens.ts'
import { defaultModelsFolder, isModelId, readModelCard } from './model-card.ts'
import { hashFiles, type PinnedFolder, weightsFiles } from './model-files.ts'
import { knownModel } from './registry.ts'
import { noPrompts, type Prompts, readNormalize, readPooling, readPrompts } from './sentence-transformers.ts'
import { findWeights, type WeightsChoice, weightsAt } from './weights.ts'

/** A model on disk: what its folder says about how to run it. */
export interface Model extends PinnedFolder {
  /** Name of the folder: does not change when the folder moves. */
  readonly name: string
  /** Path of the ONNX file. */
  readonly weights: string
  /** Numbers per token, and per vector that is not cut. */
  readonly dimensions: number
  readonly maxTokens: number
  /** Ids that the model knows are below; undefined when its config.json does not say. */
  readonly vocabularySize: number | undefined
  readonly pooling: Pooling
  readonly normalize: boolean
  readonly prompts: Prompts
  /** Texts are to be lower-cased before the tokenizer sees them. */
  readonly lowercase: boolean
  /** What is switched on in tokenizer_config.json of that which changes tokens. */
  readonly tokenizerSettings: readonly string[]
  readonly golden: Golden | undefined
}

/** A text and its vectors as the model gave them when it was packed, to notice a runtime that computes something else. */
export interface Golden {
  readonly text: string
  readonly vectors: Readonly<Record<Mode, readonly number[]>>
}

export interface ModelChoice extends WeightsChoice {
  /** Where added models are. Default `~/.cache/millrace/models`. */
  readonly modelsFolder?: string | undefined
}

/** The other fields of tokenizer_config.json are about padding, decoding or chats, or tokenizer.json says the same. */
const tokenSettings = ['do_lowercase_and_remove_accent', 'remove_space'] as const

/** Models that come with the package. */
const bundledFolder = join(packageFolder, 'models')

/**
 * Reads the description of a model: a bundled one by its name, an added one by its id, or a folder in the layout of Hugging Face and
 * sentence-transformers (`config.json`, `tokenizer.json`, weights in the folder or in `onnx/`; optional `modules.json`,
 * `1_Pooling/config.json`, `sentence_bert_config.json`, `config_sentence_transformers.json`).
 *
 * Throws MODEL_MISSING when the folder or a file of it is not there, MODEL_INVALID when it says something that cannot be followed.
 */
export async function readModel(nameOrFolder: string, choice: ModelChoice = {}): Promise<Model> {
  const { folder, pins, prompts, file, golden } = await locate(nameOrFolder, choice.modelsFolder ?? defaultModelsFolder)
  const isChosen = choice.file !== undefined || choice.precision !== undefined
  const weights = findWeights(folder, isChosen ? choice : { file })
  // Recorded vectors are those of the weights that are taken without a wish.
  const isStandard = !isChosen || weights === weightsAt(folder, { file })
  const config = await readJson(join(folder, 'config.json'))
  if (!config) throw new StreamError('MODEL_MISSING', `${folder} has no config.json`)
  // The same fact has the name of BERT, DistilBERT, GPT-2 or T5.
  const size = config.hidden_size ?? config.dim ?? config.n_embd ?? config.d_model
  const dimensions = positive(size, `hidden_size in ${join(folder, 'config.json')}`)
  return {
    name: basename(folder),
    folder,
    weights,
    dimensions,
    maxTokens: await readMaxTokens(folder, config),
    vocabularySize: isPositive(config.vocab_size) ? config.vocab_size : undefined,
    pooling: await readPooling(folder, dimensions),
    normalize: await readNormalize(folder),
    lowercase: (await readJson(join(folder, 'sentence_bert_config.json')))?.do_lower_case === true,
    tokenizerSettings: await readTokenizerSettings(folder),
    prompts: (await readPrompts(folder)) ?? prompts ?? noPrompts,
    golden: goldenOf(isStandard ? golden : undefined, folder, dimensions),
    pins,
  }
}

/** What the user decides about the vectors of a model. */
export interface ModelUse {
  readonly mode: Mode
  /** Before what is stored. */
  readonly prefix: string
  /** Before a question. Default empty. */
  readonly queryPrefix?: string
  /** Numbers per vector. Default: all. */
  readonly dimensions?: number
}

/**
 * Everything that decides the vectors goes in; what only decides the speed, or where the folder lies, stays out.
 *
 * Throws MODEL_INVALID when a file is not the one that was pinned.
 */
export async function identify(model: Model, use: ModelUse): Promise<EmbedderId> {
  const { name, pooling, normalize, maxTokens, lowercase, tokenizerSettings } = model
  const weights = await hashFiles(model, weightsFiles(model))
  const tokenizer = await hashFiles(model, [join(model.folder, 'tokenizer.json')])
  const { mode, prefix, queryPrefix = '', dimensions = model.dimensions } = use
  const facts = {
    ...{ name, weights, tokenizer, pooling, normalize, maxTokens, prefix, mode },
    // Only when they say something: ids of indexes that were made without them stay what they are.
    ...(lowercase && { lowercase }),
    ...(tokenizerSettings.length > 0 && { tokenizerSettings }),
    ...(queryPrefix !== '' && { queryPrefix }),
    ...(dimensions !== model.dimensions && { dimensions }),
  }
  const digest = createHash('sha256').update(JSON.stringify(facts)).digest('hex')
  return `onnx:${name}:${mode}:${digest.slice(0, 16)}`
}

interface Located {
  readonly folder: string
  readonly pins: Readonly<Record<string, string>>
  readonly prompts?: Prompts | undefined
  readonly file?: string | undefined
  /** As it was found. */
  readonly golden: unknown
}

async function locate(nameOrFolder: string, modelsFolder: string): Promise<Located> {
  const bundled = existsSync(bundledFolder) ? readdirSync(bundledFolder) : []
  const known = knownModel(nameOrFolder)
  if (bundled.includes(nameOrFolder)) return inFolder(join(bundledFolder, nameOrFolder), known?.pins)
  const folder = resolve(nameOrFolder)
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return inFolder(folder)
  const card = await readModelCard(modelsFolder, nameOrFolder)
  if (card)
    return { folder: card.folder, pins: card.pins, prompts: known?.prompts, file: card.file, golden: card.golden }
  const fact = `model "${nameOrFolder}" is neither a bundled one (${bundled.join(', ')}), nor an added one, nor a folder`
  const isOnHub = isModelId(nameOrFolder) && nameOrFolder.includes('/')
  throw new StreamError(
    'MODEL_MISSING',
    fact,
    isOnHub ? { fix: `Run \`millrace model add ${nameOrFolder}\` to download it.` } : {},
  )
}

async function inFolder(folder: string, pins: Located['pins'] = {}): Promise<Located> {
  return { folder, pins, golden: await readJson(join(folder, 'golden.json')) }
}

async function readTokenizerSettings(folder: string): Promise<readonly string[]> {
  const config = await readJson(join(folder, 'tokenizer_config.json'))
  return tokenSettings.filter((name) => config?.[name] === true)
}

function goldenOf(recorded: unknown, folder: string, dimensions: number): Golden | undefined {
  if (recorded === undefined) return undefined
  const { text, vectors } = recorded as Partial<Golden>
  const fits = vectors?.exact?.length === dimensions && vectors.fast?.length === dimensions
  if (typeof text === 'string' && fits) return { text, vectors }
  const fact = `${folder}: golden.json does not hold a text and its ${dimensions} numbers in both modes`
  throw new StreamError('MODEL_INVALID', fact)
}
