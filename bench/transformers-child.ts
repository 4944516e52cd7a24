import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface TransformersSetup {
  /** The folder of `@huggingface/transformers`. */
  readonly library: string
  readonly modelFolder: string
  /** Options of its sessions, beyond those that make the arithmetic the same. */
  readonly session: { readonly extra?: { readonly session: object } } & Readonly<Record<string, unknown>>
}

export interface TransformersRound {
  readonly texts: readonly string[]
  /** Texts of a call. */
  readonly batch: number
}

type Extractor = (texts: readonly string[], options: object) => Promise<unknown>

/** transformers.js with the weights of the bundled model, in a process of its own: answers each round with its processor time. */
const setup: TransformersSetup = JSON.parse(process.argv[2] ?? '')
const models = mkdtempSync(join(tmpdir(), 'millrace-bench-'))
mkdirSync(join(models, 'bundled', 'onnx'), { recursive: true })
for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json'])
  symlinkSync(join(setup.modelFolder, file), join(models, 'bundled', file))
symlinkSync(join(setup.modelFolder, 'model_w8.onnx'), join(models, 'bundled', 'onnx', 'model.onnx'))

const entry = createRequire(join(setup.library, 'package.json')).resolve('@huggingface/transformers')
const { env, pipeline } = await import(pathToFileURL(entry).href)
Object.assign(env, { allowRemoteModels: false, localModelPath: models })
const { extra, ...session } = setup.session
const extractor: Extractor = await pipeline('feature-extraction', 'bundled', {
  dtype: 'fp32',
  device: 'cpu',
  session_options: { ...session, extra: { session: { disable_quant_qdq: '1', ...extra?.session } } },
})
rmSync(models, { recursive: true })

process.on('message', async ({ texts, batch }: TransformersRound) => {
  const before = process.cpuUsage()
  for (let at = 0; at < texts.length; at += batch)
    await extractor(texts.slice(at, at + batch), { pooling: 'mean', normalize: true })
  const { user, system } = process.cpuUsage(before)
  process.send?.((user + system) / 1000)
})
process.send?.('ready')
