import { PieceTable } from './piece-table.ts'

/** What marks a piece that goes on with a word. */
const continuation = '##'

/** Ids by piece. */
export class Vocabulary {
  /** Pieces that begin a word. */
  readonly starts = new PieceTable()
  /** Pieces that go on with a word, without their mark `##`. */
  readonly continuations = new PieceTable()
  #largestId = -1

  /** -1 when it is empty. */
  get largestId(): number {
    return this.#largestId
  }

  /** One that is there gets the new id. */
  add(piece: string, id: number): void {
    this.#largestId = Math.max(this.#largestId, id)
    if (piece.startsWith(continuation)) this.continuations.add(piece, id, continuation.length)
    else this.starts.add(piece, id)
  }

  /** Of a piece that begins a word. */
  idOf(piece: string): number | undefined {
    return this.starts.idOf(piece)
  }
}

/** A `tokenizer.json` in two parts. */
export interface TokenizerText {
  readonly vocabulary: Vocabulary
  /** The JSON with an empty vocabulary. */
  readonly rest: string
}

const beginning = /"vocab"\s*:\s*\{/
/** `"piece": 17,`, or with the brace that ends the vocabulary. */
const entry = /[ \t\r\n]*"([^"\\\p{Cc}]*(?:\\.[^"\\\p{Cc}]*)*)"[ \t\r\n]*:[ \t\r\n]*(0|[1-9]\d*)[ \t\r\n]*([,}])/uy

/**
 * Takes the vocabulary out of the text of a `tokenizer.json`. It is nearly all of the file, and `JSON.parse` would make an object with a
 * field for every piece of it, only to be taken apart again. Undefined when there is none that consists of ids by piece.
 */
export function takeVocabulary(json: string): TokenizerText | undefined {
  const start = beginning.exec(json)
  if (!start) return undefined
  const from = start.index + start[0].length
  const vocabulary = new Vocabulary()
  entry.lastIndex = from
  for (let match = entry.exec(json); match; match = entry.exec(json)) {
    const [, written = '', id, end] = match
    const piece = written.includes('\\') ? unescaped(written) : written
    if (piece === undefined) return undefined
    vocabulary.add(piece, Number(id))
    if (end === '}') return { vocabulary, rest: json.slice(0, from) + json.slice(entry.lastIndex - 1) }
  }
  return undefined
}

function unescaped(written: string): string | undefined {
  try {
    return JSON.parse(`"${written}"`) as string
  } catch {
    return undefined
  }
}
