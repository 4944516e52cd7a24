/** Full-text matching on an indexed field. */
import type { Json } from './json.ts'

export interface TextParams {
  readonly tokenizer: 'prefix' | 'whitespace' | 'word' | 'multilingual'
  readonly minLength: number | undefined
  readonly maxLength: number | undefined
  readonly lowercase: boolean
  readonly asciiFolding: boolean
  readonly phraseMatching: boolean
  readonly stopwords: ReadonlySet<string>
}

export function textParamsOf(params: Readonly<Record<string, Json | undefined>> | undefined): TextParams {
  const { tokenizer = 'word', min_token_len, max_token_len, lowercase, ascii_folding, phrase_matching } = params ?? {}
  return {
    tokenizer:
      tokenizer === 'prefix' || tokenizer === 'whitespace' || tokenizer === 'multilingual' ? tokenizer : 'word',
    minLength: typeof min_token_len === 'number' ? min_token_len : undefined,
    maxLength: typeof max_token_len === 'number' ? max_token_len : undefined,
    lowercase: lowercase !== false,
    asciiFolding: ascii_folding === true,
    phraseMatching: phrase_matching === true,
    stopwords: stopwordsOf(params?.stopwords),
  }
}

function stopwordsOf(value: Json | undefined): ReadonlySet<string> {
  const custom = value instanceof Map ? value.get('custom') : undefined
  return new Set(Array.isArray(custom) ? custom.filter((word) => typeof word === 'string') : [])
}

const characters = (text: string) => [...text]

/** Letters that are more than a letter with an accent. */
const spelledOut: Readonly<Record<string, string>> = {
  ß: 'ss',
  ẞ: 'SS',
  æ: 'ae',
  Æ: 'AE',
  œ: 'oe',
  Œ: 'OE',
  ø: 'o',
  Ø: 'O',
  đ: 'd',
  Đ: 'D',
  ł: 'l',
  Ł: 'L',
  þ: 'th',
  Þ: 'TH',
}

const asciiOf = (token: string) =>
  token
    .normalize('NFD')
    .replace(/\p{Mn}/gu, '')
    .replace(/[^\0-\x7f]/gu, (letter) => spelledOut[letter] ?? letter)

function fold(params: TextParams, token: string): string {
  const folded = params.asciiFolding ? asciiOf(token) : token
  return params.lowercase ? folded.toLowerCase() : folded
}

function piecesOf({ tokenizer }: TextParams, text: string): string[] {
  const pieces = tokenizer === 'whitespace' ? text.split(/\s+/u) : text.split(/[^\p{Alphabetic}\p{N}]/u)
  return pieces.filter((piece) => piece !== '')
}

/** The tokens of a stored text. */
export function documentTokens(params: TextParams, text: string): string[] {
  const isPrefix = params.tokenizer === 'prefix'
  return piecesOf(params, text).flatMap((piece) => {
    const token = fold(params, piece)
    const { length } = characters(token)
    if (params.stopwords.has(token) || length < (params.minLength ?? 0)) return []
    if (isPrefix) return prefixesOf(token, params)
    return length > (params.maxLength ?? Number.POSITIVE_INFINITY) ? [] : [token]
  })
}

function prefixesOf(token: string, { minLength = 1, maxLength }: TextParams): string[] {
  const letters = characters(token)
  const longest = Math.min(letters.length, maxLength ?? letters.length)
  const prefixes: string[] = []
  for (let length = Math.min(minLength, letters.length); length <= longest; length++) {
    prefixes.push(letters.slice(0, length).join(''))
  }
  return prefixes
}

/** The tokens of a question; the prefix tokenizer asks for the longest prefix only. */
function queryTokens(params: TextParams, text: string): string[] {
  if (params.tokenizer !== 'prefix') return documentTokens(params, text)
  return piecesOf(params, text).flatMap((piece) => {
    const letters = characters(fold(params, piece))
    return letters.length < (params.minLength ?? 0) ? [] : [letters.slice(0, params.maxLength).join('')]
  })
}

export type TextQuery = 'text' | 'text_any' | 'phrase'

/** `tokens` are those of one point. */
export function matchesText(params: TextParams, tokens: readonly string[], query: { kind: TextQuery; text: string }) {
  const wanted = queryTokens(params, query.text)
  if (wanted.length === 0) return false
  if (query.kind === 'text_any') return wanted.some((token) => tokens.includes(token))
  if (query.kind === 'text') return wanted.every((token) => tokens.includes(token))
  // Without an index of positions nothing is known about phrases.
  return (
    params.phraseMatching && tokens.some((_, start) => wanted.every((token, index) => tokens[start + index] === token))
  )
}
