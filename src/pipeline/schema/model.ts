import { z } from 'zod'
import type {
  CacheOptions,
  HashOptions,
  OllamaOptions,
  OnnxOptions,
  OpenAiCompatibleOptions,
  RemoteOptions,
  TeiOptions,
} from '../../embed/index.ts'
import { exactlyOne, type KeysOf, optional, secret, wholeNumber } from './key.ts'

const text = z.string()
const name = z.string().min(1)

const onnx = {
  model: name.meta({ description: 'A bundled model (`all-MiniLM-L6-v2`), an added one, or the folder of one.' }),
  precision: optional(
    z.enum(['fp32', 'fp16', 'int8', 'int8-dynamic']),
    'Which weights. Left out: `int8` if the model has them, else `fp32`.',
  ),
  file: optional(name, 'An ONNX file of the model, by its path from there, instead of the usual names.'),
  modelsFolder: optional(name, 'Where added models are. Left out: MILLRACE_MODELS, else `~/.cache/millrace/models`.'),
  dimensions: optional(wholeNumber, 'Keeps the first numbers of every vector (Matryoshka). Left out: all.'),
  mode: optional(z.enum(['exact', 'fast']), '`fast` multiplies quantized weights with int8 activations.', 'exact'),
  device: optional(
    z.enum(['cpu', 'cuda', 'tensorrt', 'webgpu', 'dml', 'coreml', 'auto']),
    'What the model runs on.',
    'cpu',
  ),
  deterministic: optional(
    z.boolean(),
    'Every text runs alone: its vector is the same to the last bit in any company.',
    false,
  ),
  maxBatchTokens: optional(
    z.union([wholeNumber, z.literal('measure')]),
    'Rows x longest row of a batch; `measure` finds it at the start. Left out: 512 on a CPU, 16,384 elsewhere.',
  ),
  maxBatchTexts: optional(wholeNumber, 'Rows of a batch. Left out: as many as the tokens allow.'),
  maxPaddingTokens: optional(
    wholeNumber,
    'How much the rows of a batch may differ in length. Left out: 16 on a CPU, 64 elsewhere.',
  ),
  windowTexts: optional(wholeNumber, 'Texts that are sorted together. Left out: 256 on a CPU, 1,024 elsewhere.'),
  maxWaitMs: optional(
    z.int().min(0),
    'How long a text waits for company while every worker is busy. Left out: 20 on a CPU, 50 elsewhere.',
  ),
  workers: optional(
    wholeNumber,
    'Threads with a copy of the model each. Left out: the cores, at most 8; 1 on other devices.',
  ),
  prefix: optional(text, 'Put before every text: `"passage: "`. Left out: what the model says.'),
  queryPrefix: optional(text, 'Put before questions instead. Left out: what the model says.'),
  batchTimeoutMs: optional(wholeNumber, 'How long a batch may take until its worker is replaced.', 120_000),
  startTimeoutMs: optional(wholeNumber, 'How long a worker may take to load the model.', 120_000),
} satisfies KeysOf<OnnxOptions, 'clock'>

const hash = {
  dimensions: optional(wholeNumber, 'Length of the vectors.', 384),
} satisfies KeysOf<HashOptions, never>

const url = z.string().regex(/^https?:\/\/[^\s/]+/, 'must be an http or https address')

const remote = {
  urls: optional(z.union([url, z.array(url).min(1)]), 'Base URL of the server, or one of each replica.'),
  apiKey: optional(secret(), 'Sent as bearer token; refused over plain http to another machine.'),
  headers: optional(z.record(name, secret()), 'Sent with every request.'),
  dimensions: optional(
    wholeNumber,
    'Asks for shorter vectors of a Matryoshka model. Left out: as the model makes them.',
  ),
  normalize: optional(z.boolean(), 'Vectors get unit length.', true),
  prefix: optional(text, 'Put before every text that is stored.', ''),
  queryPrefix: optional(text, 'Put before every question. Left out: `prefix`.'),
  maxConcurrentRequests: optional(
    wholeNumber,
    'Requests that one server gets at a time. Left out: 4 (tei), 8 (openAiCompatible), 2 (ollama).',
  ),
  maxBatchTexts: optional(
    wholeNumber,
    'Texts of a request. Left out: 32 or what the server takes (tei), 2,048 (openAiCompatible), 64 (ollama).',
  ),
  maxBatchCharacters: optional(
    wholeNumber,
    'Texts of a request x the longest, UTF-16 units. Left out: 300,000 (tei), 100,000 (the others).',
  ),
  maxWaitMs: optional(z.int().min(0), 'How long a text waits for company while every server is busy.', 20),
  requestTimeoutMs: optional(
    wholeNumber.max(300_000),
    'Until a server that does not answer is checked, and the batch made smaller.',
    60_000,
  ),
} satisfies KeysOf<RemoteOptions, 'clock' | 'logger' | 'random'>

const truncate = optional(
  z.boolean(),
  'Cuts texts that are too long for the model; `false` makes dead letters of them.',
  true,
)

const tei = {
  ...remote,
  urls: z.union([url, z.array(url).min(1)]).meta({ description: 'Base URL of the server, or one of each replica.' }),
  truncate,
  promptName: optional(
    name,
    "A prompt of the model's configuration that the server puts before every text. Left out: none.",
  ),
} satisfies KeysOf<TeiOptions, 'clock' | 'logger' | 'random'>

const openAiCompatible = {
  ...remote,
  model: name.meta({ description: 'As the server names it: `text-embedding-3-small`.' }),
  encodingFormat: optional(z.enum(['base64', 'float']), 'How vectors travel.', 'base64'),
  parameters: optional(
    z.record(z.string(), z.unknown()),
    'Further fields of every request; part of the identity of the vectors.',
  ),
} satisfies KeysOf<OpenAiCompatibleOptions, 'clock' | 'logger' | 'random'>

const ollama = {
  ...remote,
  model: name.meta({ description: 'As `ollama list` names it.' }),
  truncate,
} satisfies KeysOf<OllamaOptions, 'clock' | 'logger' | 'random'>

const cache = {
  maxMemoryBytes: optional(z.int().min(0), 'Memory for vectors, 0 for none.', 67_108_864),
  path: optional(name, 'Folder that keeps vectors across restarts. Left out: memory alone.'),
  maxDiskBytes: optional(z.int().min(0), 'What the folder may hold.', 1_073_741_824),
  ttlMs: optional(wholeNumber, 'How long a vector is used. Left out: for ever.'),
  warmUp: optional(
    z.union([z.int().min(0), z.literal('all')]),
    'Newest vectors that are read into memory at the start.',
    0,
  ),
} satisfies KeysOf<CacheOptions, 'clock' | 'logger'>

/** What turns texts into vectors. */
export const modelSchema = exactlyOne(
  z.strictObject({
    onnx: optional(z.strictObject(onnx), 'An ONNX model in worker threads of this process.'),
    hash: optional(z.strictObject(hash), 'Hashed words, no model: for trying things out.'),
    tei: optional(z.strictObject(tei), 'Hugging Face Text Embeddings Inference.'),
    openAiCompatible: optional(z.strictObject(openAiCompatible), 'OpenAI, or a server that speaks its `/embeddings`.'),
    ollama: optional(z.strictObject(ollama), 'Ollama.'),
    cache: optional(z.strictObject(cache), 'Remembers vectors, so that a text is embedded once. Left out: no cache.'),
  }),
  ['onnx', 'hash', 'tei', 'openAiCompatible', 'ollama'],
)

export type ModelDescription = z.infer<typeof modelSchema>
