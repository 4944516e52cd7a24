import { mkdir, writeFile } from 'node:fs/promises'
import { dirname, join, posix } from 'node:path'
import type { Embedder } from '../../src/embed/embedder.ts'
import { onnx } from '../../src/embed/onnx.ts'
import type { OnnxOptions } from '../../src/embed/onnx-options.ts'
import { type ElementType, type Graph, onnxFile, tableBytes } from './onnx-graph.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** The vocabulary of every tiny model. */
export const tinyWords = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', 'mill', 'grain', 'flour', 'water'] as const

/** What the tiny model gives for a token: `[CLS]` is [2, 1, 0, 1], `mill` is [4, 2, 1, 1]. */
export function tinyVector(token: number): readonly number[] {
  return [token, token / 2, token > 3 ? token - 3 : 0, 1]
}

export interface TinyModel {
  /** Default `model.onnx`. */
  readonly weights?: string
  /** Changes the graph, which looks the vector of each token up in a table. */
  readonly graph?: (graph: Graph) => Graph
  /** Files by path, as JSON, beside or instead of those of the tiny model; null leaves one out. */
  readonly files?: Readonly<Record<string, unknown>>
}

/**
 * Writes a model in the layout of Hugging Face that takes a millisecond to run: four numbers a token, mean pooling, not normalized, 16 tokens.
 */
export async function writeTinyModel(folder: string, model: TinyModel = {}): Promise<void> {
  for (const [file, content] of Object.entries(tinyModelFiles(model))) {
    const path = join(folder, file)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(path, content)
  }
}

/** The files of that model by path. */
export function tinyModelFiles(model: TinyModel = {}): Readonly<Record<string, Uint8Array>> {
  const { weights = 'model.onnx', graph = (same) => same, files = {} } = model
  const definition = graph(lookupGraph())
  const tables = definition.tables.flatMap((table) =>
    table.file === undefined ? [] : [[posix.join(posix.dirname(weights), table.file), tableBytes(table)] as const],
  )
  const texts = Object.entries({ ...tinyFiles, ...files }).flatMap(([file, content]) =>
    content === null ? [] : [[file, new TextEncoder().encode(JSON.stringify(content))] as const],
  )
  return Object.fromEntries([[weights, onnxFile(definition)], ...tables, ...texts])
}

export interface OpenTiny extends AsyncDisposable {
  readonly embedder: Embedder
  readonly folder: string
}

/** An open embedder on a tiny model in a folder of its own, with one worker: `await using tiny = await openTiny()`. */
export async function openTiny(model: TinyModel = {}, options: Partial<OnnxOptions> = {}): Promise<OpenTiny> {
  const place = await temporaryDirectory()
  // Always of one name, which is part of the id: ids differ by what the tests make different.
  const folder = join(place.path, 'tiny')
  await writeTinyModel(folder, model)
  const embedder = onnx({ model: folder, workers: 1, ...options })
  try {
    await embedder.open()
  } catch (error) {
    await place[Symbol.asyncDispose]()
    throw error
  }
  return {
    embedder,
    folder,
    async [Symbol.asyncDispose]() {
      await embedder.close()
      await place[Symbol.asyncDispose]()
    },
  }
}

/** Vectors of tokens out of a table; no token sees another one. */
export function lookupGraph(type: ElementType = 'int64'): Graph {
  return {
    inputs: ['input_ids', 'attention_mask'].map((name) => ({ name, type, shape: ['batch', 'tokens'] })),
    outputs: [{ name: 'last_hidden_state', type: 'float32', shape: ['batch', 'tokens', 4] }],
    nodes: [{ operator: 'Gather', inputs: ['table', 'input_ids'], outputs: ['last_hidden_state'] }],
    tables: [
      { name: 'table', shape: [tinyWords.length, 4], values: tinyWords.flatMap((_, token) => tinyVector(token)) },
    ],
  }
}

const special = (id: number) => ({
  id,
  content: tinyWords[id],
  single_word: false,
  lstrip: false,
  rstrip: false,
  normalized: false,
  special: true,
})

const uncased = {
  version: '1.0',
  added_tokens: [0, 1, 2, 3].map(special),
  normalizer: {
    type: 'BertNormalizer',
    clean_text: true,
    handle_chinese_chars: true,
    strip_accents: null,
    lowercase: true,
  },
  pre_tokenizer: { type: 'BertPreTokenizer' },
  post_processor: { type: 'BertProcessing', sep: ['[SEP]', 3], cls: ['[CLS]', 2] },
  decoder: { type: 'WordPiece', prefix: '##', cleanup: true },
  model: {
    type: 'WordPiece',
    unk_token: '[UNK]',
    continuing_subword_prefix: '##',
    max_input_chars_per_word: 100,
    vocab: Object.fromEntries(tinyWords.map((word, id) => [word, id])),
  },
}

/** As `files` of a tiny model: a tokenizer that is left to the library, in a thread of its own. */
export const casedTokenizer = {
  'tokenizer.json': { ...uncased, normalizer: { ...uncased.normalizer, lowercase: false } },
}

const tinyFiles: Readonly<Record<string, unknown>> = {
  'config.json': { hidden_size: 4, vocab_size: tinyWords.length, max_position_embeddings: 16 },
  'modules.json': [
    { type: 'sentence_transformers.models.Transformer' },
    { type: 'sentence_transformers.models.Pooling' },
  ],
  '1_Pooling/config.json': { word_embedding_dimension: 4, pooling_mode_mean_tokens: true },
  'tokenizer.json': uncased,
}
