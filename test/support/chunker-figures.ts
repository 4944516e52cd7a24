import MarkdownIt from 'markdown-it'
import type { Chunk } from '../../src/model.ts'
import type { Chunker } from '../../src/operators/chunker/chunker.ts'
import type { ChangeEvent } from './change-stream.ts'

/** How a chunker does on a stream of edits. Shares are between 0 and 1. */
export interface ChunkerFigures {
  readonly events: number
  readonly updates: number
  /** Characters embedded on updates (plain text, without the heading line) / those of whole documents in 1000/100 pieces. */
  readonly characters: number
  /** The same with the heading lines counted as well. */
  readonly charactersWithHeadings: number
  /** Chunks embedded on updates / 1000/100 pieces embedded on updates. */
  readonly texts: number
  /** Plain characters of a chunk, over the first versions of all documents. */
  readonly meanChunk: number
  readonly chunksEmbedded: number
  readonly pointsWritten: number
  /** Chunks that kept their meaning while their text changed: no embedding. */
  readonly payloadUpdates: number
  /** First or last chunks of a document of several chunks that are shorter than half of `min`, as a share of all chunks. */
  readonly headsAndTails: number
  /** Chunks that begin inside a sentence, as a share of all chunks. */
  readonly cutSentences: number
  /** Chunks that begin inside a fence or an indented code block that would have fitted into one chunk, as a share of all chunks. */
  readonly cutFences: number
  /** The same for code that is longer than a chunk may be. */
  readonly cutLongCode: number
  /** Versions of documents whose chunks are not the document, white space aside. */
  readonly notTiled: number
}

interface Version {
  readonly text: string
  /** How often each meaning occurs, and the text of its last chunk. */
  readonly chunks: Map<string, { count: number; text: string }>
}

export function chunkerFigures(events: Iterable<ChangeEvent>, chunker: Chunker, sizes = defaultSizes): ChunkerFigures {
  const count = new Counter(chunker, sizes)
  for (const event of events) count.read(event)
  return count.figures()
}

/** What the chunker was told, or what it takes without being told. */
interface Sizes {
  readonly min: number
  readonly max: number
}

const defaultSizes: Sizes = { min: 200, max: 1_400 }

class Counter {
  readonly #chunker: Chunker
  readonly #sizes: Sizes
  readonly #versions = new Map<string, Version>()
  readonly #first = { chunks: 0, characters: 0, headings: 0 }
  readonly #update = { chunks: 0, characters: 0, headings: 0 }
  readonly #naive = { pieces: 0, characters: 0 }
  readonly #total = { events: 0, updates: 0, chunks: 0, written: 0, payloads: 0, notTiled: 0 }
  readonly #flaws: Flaws = { headsAndTails: 0, sentences: 0, fences: 0, longCode: 0 }

  constructor(chunker: Chunker, sizes: Sizes) {
    this.#chunker = chunker
    this.#sizes = sizes
  }

  read({ key, op, text }: ChangeEvent): void {
    this.#total.events++
    const before = this.#versions.get(key)
    if (op === 'delete') this.#versions.delete(key)
    if (op === 'delete' || before?.text === text) return
    if (before) this.#countUpdate(text)
    const chunks = this.#chunker.split(text)
    const after: Version = { text, chunks: new Map() }
    for (const chunk of chunks) this.#countChunk(chunk, before, after)
    this.#versions.set(key, after)
    this.#total.chunks += chunks.length
    const places = placesOf(text, chunks)
    if (places) addFlaws(this.#flaws, { text, chunks, places, sizes: this.#sizes })
    else this.#total.notTiled++
  }

  figures(): ChunkerFigures {
    const { chunks, written, payloads, ...total } = this.#total
    return {
      events: total.events,
      updates: total.updates,
      characters: this.#update.characters / this.#naive.characters,
      charactersWithHeadings: (this.#update.characters + this.#update.headings) / this.#naive.characters,
      texts: this.#update.chunks / this.#naive.pieces,
      meanChunk: this.#first.characters / this.#first.chunks,
      chunksEmbedded: this.#first.chunks + this.#update.chunks,
      pointsWritten: written,
      payloadUpdates: payloads,
      headsAndTails: this.#flaws.headsAndTails / chunks,
      cutSentences: this.#flaws.sentences / chunks,
      cutFences: this.#flaws.fences / chunks,
      cutLongCode: this.#flaws.longCode / chunks,
      notTiled: total.notTiled,
    }
  }

  #countUpdate(text: string): void {
    this.#total.updates++
    for (const length of naivePieces(text)) {
      this.#naive.pieces++
      this.#naive.characters += length
    }
  }

  #countChunk(chunk: Chunk, before: Version | undefined, after: Version): void {
    const old = before?.chunks.get(chunk.meaning)
    const count = after.chunks.get(chunk.meaning)?.count ?? 0
    after.chunks.set(chunk.meaning, { count: count + 1, text: chunk.text })
    if (count >= (old?.count ?? 0)) this.#total.written++
    if (old && old.text !== chunk.text) this.#total.payloads++
    if (old || count > 0) return
    const embedded = before ? this.#update : this.#first
    embedded.chunks++
    embedded.characters += bodyLength(chunk)
    embedded.headings += chunk.heading.length
  }
}

interface Flaws {
  headsAndTails: number
  sentences: number
  fences: number
  longCode: number
}

function bodyLength({ heading, meaning }: Chunk): number {
  return heading === '' ? meaning.length : Math.max(0, meaning.length - heading.length - 1)
}

/** Lengths of pieces of 1,000 characters of which 100 are those of the piece before. */
function naivePieces(text: string): number[] {
  const lengths: number[] = []
  for (let start = 0; start === 0 || start + 100 < text.length; start += 900) {
    lengths.push(Math.min(1000, text.length - start))
  }
  return lengths
}

/** Where each chunk starts, when the chunks are the text in order with nothing but white space between them. */
export function placesOf(text: string, chunks: readonly Chunk[]): number[] | undefined {
  const places: number[] = []
  let end = 0
  for (const chunk of chunks) {
    const start = text.indexOf(chunk.text, end)
    if (start < 0 || text.slice(end, start).trim() !== '') return undefined
    places.push(start)
    end = start + chunk.text.length
  }
  return text.slice(end).trim() === '' ? places : undefined
}

interface Judged {
  readonly text: string
  readonly chunks: readonly Chunk[]
  readonly places: readonly number[]
  readonly sizes: Sizes
}

const parser = new MarkdownIt({ html: true })
const endOfSentence = /[.!?…:;]["'”’»)\]*_`]*\s*$/

/** The judge of blocks is a full Markdown parser, which knows nothing of the chunker. */
function addFlaws(flaws: Flaws, { text, chunks, places, sizes }: Judged): void {
  if (chunks.length < 2) return
  const ends = [chunks[0], chunks.at(-1)].filter((chunk) => chunk && chunk.text.length < sizes.min / 2)
  flaws.headsAndTails += ends.length
  const { starts, code } = blocksOf(text)
  for (const place of places.slice(1)) {
    const around = code.find(({ start, end }) => place > start && place < end)
    if (around && around.end - around.start > sizes.max) flaws.longCode++
    else if (around) flaws.fences++
    else if (isInsideSentence(text, place, starts)) flaws.sentences++
  }
}

function isInsideSentence(text: string, place: number, starts: ReadonlySet<number>): boolean {
  const lineStart = text.lastIndexOf('\n', place - 1) + 1
  return !starts.has(lineStart) && !endOfSentence.test(text.slice(Math.max(0, place - 200), place))
}

/** Where the lines start that begin a block (or a row of a table), and where code is. */
function blocksOf(text: string): { starts: Set<number>; code: { start: number; end: number }[] } {
  const lines = [0, ...Array.from(text.matchAll(/\n/g), ({ index }) => index + 1)]
  const offsetOf = (line: number) => lines[line] ?? text.length
  const starts = new Set<number>()
  const code: { start: number; end: number }[] = []
  for (const { type, map } of parser.parse(text, {})) {
    if (!map) continue
    starts.add(offsetOf(map[0]))
    if (type === 'fence' || type === 'code_block') code.push({ start: offsetOf(map[0]), end: offsetOf(map[1]) })
  }
  return { starts, code }
}
