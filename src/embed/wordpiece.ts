import { ideographs, punctuation, type Ranges, spaces } from './bert-characters.ts'
import { wordsOf } from './bert-normalizer.ts'
import { emptyHash, extendHash, WordCache } from './word-cache.ts'

/** Ids by piece. Without a prototype: a text may have the name of a field of one. */
export type Vocabulary = Readonly<Record<string, number>>

/** What a WordPiece tokenizer is made of; the fields of a `tokenizer.json`. */
export interface WordPieceOptions {
  readonly vocabulary: Vocabulary
  /** Literals that are one token wherever they stand in the raw text: `[MASK]` ... */
  readonly addedTokens: ReadonlyMap<string, number>
  readonly unknownId: number
  readonly startId: number
  readonly endId: number
  /** Longer words (in code points) become the unknown token. */
  readonly maxWordCharacters: number
}

export interface Encoding {
  /** Start token, tokens of the text, end token. */
  readonly ids: Int32Array
  /** The text has more tokens than fitted. */
  readonly truncated: boolean
}

/** What one UTF-16 unit of the raw text does to the word it stands in. */
const inWord = 0
const space = 1
const alone = 2
const classOfUnit = classifyUnits()

/** Stands before a piece that goes on with a word. */
const continuation = '##'

/** Longer words are too rare to remember. */
const longestCachedWord = 64

/** A map of the vocabulary answers three times as fast as the object that it comes as, but takes longer to make than the first texts. */
const lookupsWithoutMap = 1_000

/**
 * The uncased BERT tokenizer: equal, id for id, to Hugging Face `tokenizers` with BertNormalizer, BertPreTokenizer and WordPiece
 * (Wu et al., "Google's Neural Machine Translation System", 2016; Devlin et al., "BERT", 2018), and an order of magnitude faster than
 * the general libraries, because a word that was seen before costs one look into a bounded cache.
 *
 * The text is cut where the cut cannot change the result: at white space and around characters that are words of their own and that
 * neither decompose nor combine with what precedes them. What lies between such cuts is normalized as a whole, so that canonical
 * reordering sees the same characters as in the original.
 *
 * @example
 * const { ids } = wordPiece.encode('Mills grind.', 256) // [CLS] mills grind . [SEP]
 */
export class WordPiece {
  readonly #options: WordPieceOptions
  readonly #addedPattern: RegExp | undefined
  readonly #cache = new WordCache()
  readonly #output = new IdBuffer()
  #lookups = 0
  #pieces: ReadonlyMap<string, number> | undefined
  /** No piece is longer; known when the map is. */
  #longestPiece = Number.POSITIVE_INFINITY

  constructor(options: WordPieceOptions) {
    this.#options = options
    this.#addedPattern = anyOf([...options.addedTokens.keys()])
  }

  /** At most `maxTokens` ids, start and end token included. */
  encode(text: string, maxTokens: number): Encoding {
    const output = this.#output
    output.reset(maxTokens - 1)
    output.push(this.#options.startId)
    this.#encodeText(text)
    const truncated = output.overflowed
    return { ids: output.closedBy(this.#options.endId), truncated }
  }

  #encodeText(text: string): void {
    const parts = this.#addedPattern?.test(text) ? text.split(this.#addedPattern) : [text]
    for (const part of parts) {
      const added = this.#options.addedTokens.get(part)
      if (added === undefined) this.#encodeBetween(part)
      else this.#output.push(added)
    }
  }

  /** A text without added tokens. */
  #encodeBetween(text: string): void {
    let start = 0
    let hash = emptyHash
    for (let at = 0; at < text.length; at++) {
      const unit = text.charCodeAt(at)
      const kind = classOfUnit[unit]
      if (kind === inWord) {
        hash = extendHash(hash, unit)
        continue
      }
      if (start < at) this.#encodeWord(text, start, at, hash)
      if (kind === alone) this.#encodeWord(text, at, at + 1, extendHash(emptyHash, unit))
      if (this.#output.overflowed) return
      start = at + 1
      hash = emptyHash
    }
    if (start < text.length) this.#encodeWord(text, start, text.length, hash)
  }

  #encodeWord(text: string, from: number, to: number, hash: number): void {
    const known = this.#cache.find(text, from, to, hash)
    if (known === -1) this.#encodeNewWord(text.slice(from, to), hash)
    else this.#cache.copyTo(this.#output, known)
  }

  #encodeNewWord(word: string, hash: number): void {
    const ids = this.#idsOf(word)
    if (word.length <= longestCachedWord) this.#cache.add(word, hash, ids)
    for (const id of ids) this.#output.push(id)
  }

  #idsOf(raw: string): readonly number[] {
    const ids: number[] = []
    for (const word of wordsOf(raw)) this.#splitPieces(word, ids)
    return ids
  }

  /** Greedy, longest piece first. A word that cannot be covered is one unknown token. */
  #splitPieces(word: string, ids: number[]): void {
    const { unknownId, maxWordCharacters } = this.#options
    const before = ids.length
    if (isLongerThan(word, maxWordCharacters)) {
      ids.push(unknownId)
      return
    }
    if (!this.#pieces && this.#lookups + word.length >= lookupsWithoutMap) this.#makeMap()
    let rest = word
    for (let mark = 0; rest.length > mark; mark = continuation.length) {
      let end = Math.min(rest.length, this.#longestPiece)
      let id = this.#idOf(rest.slice(0, end))
      while (id === undefined && --end > mark) id = this.#idOf(rest.slice(0, end))
      if (id === undefined) {
        ids.length = before
        ids.push(unknownId)
        return
      }
      ids.push(id)
      rest = continuation + rest.slice(end)
    }
  }

  #idOf(piece: string): number | undefined {
    if (this.#pieces) return this.#pieces.get(piece)
    this.#lookups++
    return this.#options.vocabulary[piece]
  }

  #makeMap(): void {
    this.#pieces = new Map(Object.entries(this.#options.vocabulary))
    this.#longestPiece = this.#pieces.keys().reduce((longest, piece) => Math.max(longest, piece.length), 1)
  }
}

/** Ids of one text, cut off at a limit. */
class IdBuffer {
  #ids = new Int32Array(512)
  #length = 0
  #limit = 0
  /** More ids were pushed than the limit lets in. */
  overflowed = false

  reset(limit: number): void {
    this.#length = 0
    this.#limit = limit
    this.overflowed = false
  }

  push(id: number): void {
    if (this.#length >= this.#limit) {
      this.overflowed = true
      return
    }
    if (this.#length + 1 >= this.#ids.length) this.#grow()
    this.#ids[this.#length++] = id
  }

  /** A copy of the ids with one more that always fits. */
  closedBy(id: number): Int32Array {
    this.#ids[this.#length] = id
    return this.#ids.slice(0, this.#length + 1)
  }

  #grow(): void {
    const larger = new Int32Array(this.#ids.length * 2)
    larger.set(this.#ids)
    this.#ids = larger
  }
}

function classifyUnits(): Uint8Array {
  const classes = new Uint8Array(0x10000)
  const classify = (ranges: Ranges, kind: number) => {
    for (let at = 0; at < ranges.length; at += 2) {
      const [from = 0, to = 0] = ranges.slice(at, at + 2)
      // A range of which anything decomposes stays inside its word: only what is the same afterwards is a safe place to cut.
      if (kind === space || !decomposes(from, Math.min(to, 0xffff))) classes.fill(kind, from, to + 1)
    }
  }
  classify(punctuation(), alone)
  classify(ideographs(), alone)
  classify(spaces(), space)
  return classes
}

/** Whether canonical decomposition changes any of the UTF-16 units from the one to the other. */
function decomposes(from: number, to: number): boolean {
  if (to < from) return false
  const units = Uint16Array.from({ length: to - from + 1 }, (_, offset) => from + offset)
  const text = Buffer.from(units.buffer).toString('utf16le')
  return text.normalize('NFD') !== text
}

/** Counts in code points, and no further than needed. */
function isLongerThan(word: string, maxCharacters: number): boolean {
  if (word.length <= maxCharacters) return false
  return word.length > 2 * maxCharacters || [...word].length > maxCharacters
}

function anyOf(literals: readonly string[]): RegExp | undefined {
  if (literals.length === 0) return undefined
  const longestFirst = literals.toSorted((a, b) => b.length - a.length)
  return new RegExp(`(${longestFirst.map((literal) => literal.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|')})`)
}
