import { join } from 'node:path'
import { StreamError } from '../../errors.ts'
import type { Pooling } from '../worker-protocol.ts'
import { isObject, type JsonObject, readJson } from './json-file.ts'

/** What a model puts before texts. */
export interface Prompts {
  /** Before what is stored. */
  readonly passage: string
  /** Before a question about it. */
  readonly query: string
}

export const noPrompts: Prompts = { passage: '', query: '' }

const poolings: Readonly<Record<string, Pooling>> = {
  pooling_mode_mean_tokens: 'mean',
  pooling_mode_cls_token: 'cls',
  pooling_mode_lasttoken: 'last',
}

/** How sentence-transformers makes a vector out of those of the tokens; by the mean when nothing is said. */
export async function readPooling(folder: string, modelDimensions: number): Promise<Pooling> {
  const file = join(folder, '1_Pooling', 'config.json')
  const config = await readJson(file)
  if (!config) return 'mean'
  const size = config.word_embedding_dimension
  if (typeof size === 'number' && size !== modelDimensions)
    throw new StreamError('MODEL_INVALID', `${file} pools ${size} numbers a token, config.json says ${modelDimensions}`)
  if (config.include_prompt === false)
    throw new StreamError('MODEL_INVALID', `${file} leaves the prompt out of the pooling, which is not supported`)
  const chosen = Object.keys(config).filter((key) => key.startsWith('pooling_mode_') && config[key] === true)
  const pooling = chosen.length === 1 ? poolings[chosen[0] ?? ''] : undefined
  if (pooling) return pooling
  const known = 'known are mean, cls and last token, one at a time'
  throw new StreamError('MODEL_INVALID', `${folder} pools by ${chosen.join(', ') || 'nothing'}; ${known}`)
}

/** Whether vectors get unit length. An index expects it, so it is also the default. */
export async function readNormalize(folder: string): Promise<boolean> {
  const file = join(folder, 'modules.json')
  const modules = await readJson(file)
  if (!modules) return true
  const kinds = Object.values(modules).map(
    (module) =>
      String(isObject(module) && module.type)
        .split('.')
        .at(-1) ?? '',
  )
  const unknown = kinds.filter((kind) => !['Transformer', 'Pooling', 'Normalize'].includes(kind))
  if (unknown.length === 0) return kinds.includes('Normalize')
  throw new StreamError('MODEL_INVALID', `${file} asks for ${unknown.join(', ')}, which is not supported`, {
    fix: 'Choose a model whose modules are Transformer, Pooling and Normalize: what lies behind the pooling would be left out.',
  })
}

/** `prompts` of config_sentence_transformers.json; undefined when it names none. */
export async function readPrompts(folder: string): Promise<Prompts | undefined> {
  const config = await readJson(join(folder, 'config_sentence_transformers.json'))
  const prompts = isObject(config?.prompts) ? config.prompts : {}
  const standard = textAt(prompts, String(config?.default_prompt_name))
  const passage = textAt(prompts, 'passage') ?? textAt(prompts, 'document') ?? standard ?? ''
  const query = textAt(prompts, 'query') ?? standard ?? ''
  return passage === '' && query === '' ? undefined : { passage, query }
}

function textAt(prompts: JsonObject, name: string): string | undefined {
  const text = prompts[name]
  return typeof text === 'string' ? text : undefined
}
