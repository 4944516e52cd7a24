import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Tokenizer } from '@huggingface/tokenizers'
import { StreamError } from '../errors.ts'
import type { Encoding } from './wordpiece.ts'

/**
 * The general tokenizer, for models that are not uncased BERT: Unigram, BPE and the rest. Slow enough (a tenth of `WordPiece` and less)
 * to be kept away from the main thread. Throws MODEL_INVALID when it cannot be asked for its start and end tokens.
 */
export async function loadLibraryTokenizer(folder: string): Promise<(text: string, maxTokens: number) => Encoding> {
  const [definition, config] = await Promise.all([
    readFile(join(folder, 'tokenizer.json'), 'utf8'),
    readFile(join(folder, 'tokenizer_config.json'), 'utf8').catch(() => '{}'),
  ])
  const tokenizer = new Tokenizer(JSON.parse(definition), JSON.parse(config))
  const { before, after } = frameOf(tokenizer)
  return (text, maxTokens) => {
    const ids: readonly number[] = tokenizer.encode(text, { add_special_tokens: false }).ids
    const room = Math.max(0, maxTokens - before.length - after.length)
    return { ids: Int32Array.of(...before, ...ids.slice(0, room), ...after), truncated: ids.length > room }
  }
}

interface Frame {
  readonly before: readonly number[]
  readonly after: readonly number[]
}

/** The special tokens that the tokenizer puts around every text: found by asking it, because each kind of tokenizer writes them down in its own way. */
function frameOf(tokenizer: Tokenizer): Frame {
  const bare: readonly number[] = tokenizer.encode('a', { add_special_tokens: false }).ids
  if (bare.length === 0)
    throw new StreamError(
      'MODEL_INVALID',
      'the tokenizer gives no token for a letter, so its start and end are not known',
    )
  const framed: readonly number[] = tokenizer.encode('a').ids
  const start = framed.findIndex((_, at) => bare.every((id, offset) => framed[at + offset] === id))
  return { before: framed.slice(0, start), after: framed.slice(start + bare.length) }
}
