import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reasonOf, StreamError } from '../errors.ts'
import { isObject } from './models/json-file.ts'
import { refuseForeignIds } from './models/vocabulary.ts'
import { type Vocabulary, WordPiece } from './wordpiece.ts'

/**
 * The tokenizer of a model when it is uncased BERT, which `WordPiece` reproduces exactly; undefined for every other kind. Throws
 * MODEL_INVALID when it gives ids beyond `vocabularySize`; without one they are not looked at.
 *
 * Truncation and padding that `tokenizer.json` asks for are left out: they describe how the file was once used, not the model.
 */
export async function loadWordPiece(folder: string, vocabularySize?: number): Promise<WordPiece | undefined> {
  const definition = await readDefinition(folder)
  refuseForeignIds(folder, definition, vocabularySize)
  if (!isUncasedBert(definition)) return undefined
  const { model, added_tokens } = definition
  // Its own fields and no others: a text may say `constructor`.
  const vocabulary: Vocabulary = Object.setPrototypeOf(model.vocab, null)
  const addedTokens = new Map(added_tokens.map((token) => [token.content, token.id]))
  const idOf = (token: string): number => {
    const id = addedTokens.get(token) ?? vocabulary[token]
    if (id === undefined)
      throw new StreamError('MODEL_INVALID', `${join(folder, 'tokenizer.json')} has no token "${token}"`)
    return id
  }
  return new WordPiece({
    vocabulary,
    addedTokens,
    unknownId: idOf(model.unk_token),
    startId: idOf('[CLS]'),
    endId: idOf('[SEP]'),
    maxWordCharacters: model.max_input_chars_per_word ?? 100,
  })
}

/** The parts of a `tokenizer.json` that decide whether it is uncased BERT. */
interface Definition {
  readonly normalizer?: Readonly<Record<string, unknown>> | null
  readonly pre_tokenizer?: { readonly type: string } | null
  readonly post_processor?: Readonly<Record<string, unknown>> | null
  readonly added_tokens: readonly AddedToken[]
  readonly model: {
    readonly type: string
    readonly vocab: Readonly<Record<string, number>>
    readonly unk_token: string
    readonly continuing_subword_prefix: string
    readonly max_input_chars_per_word?: number
  }
}

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly single_word: boolean
  readonly lstrip: boolean
  readonly rstrip: boolean
  readonly normalized: boolean
}

async function readDefinition(folder: string): Promise<Definition> {
  const file = join(folder, 'tokenizer.json')
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new StreamError('MODEL_MISSING', `${file} cannot be read: ${reasonOf(cause)}`, { cause })
  })
  try {
    const definition = JSON.parse(text) as Partial<Definition> | null
    if (definition?.model && Array.isArray(definition.added_tokens)) return definition as Definition
  } catch (cause) {
    throw new StreamError('MODEL_INVALID', `${file} is not valid JSON: ${reasonOf(cause)}`, { cause })
  }
  throw new StreamError('MODEL_INVALID', `${file} does not describe a tokenizer`)
}

function isUncasedBert({ normalizer, pre_tokenizer, post_processor, added_tokens, model }: Definition): boolean {
  return (
    model.type === 'WordPiece' &&
    isObject(model.vocab) &&
    model.continuing_subword_prefix === '##' &&
    normalizer?.type === 'BertNormalizer' &&
    normalizer.clean_text === true &&
    normalizer.handle_chinese_chars === true &&
    normalizer.lowercase === true &&
    normalizer.strip_accents !== false &&
    pre_tokenizer?.type === 'BertPreTokenizer' &&
    framesWithStartAndEnd(post_processor) &&
    added_tokens.every((token) => !token.single_word && !token.lstrip && !token.rstrip && !token.normalized)
  )
}

function framesWithStartAndEnd(processor: Definition['post_processor']): boolean {
  if (processor?.type === 'BertProcessing') return true
  const single = JSON.stringify(processor?.single, (key, value) => (key === 'type_id' ? undefined : value))
  return (
    single === '[{"SpecialToken":{"id":"[CLS]"}},{"Sequence":{"id":"A"}},{"SpecialToken":{"id":"[SEP]"}}]' &&
    processor?.type === 'TemplateProcessing'
  )
}
