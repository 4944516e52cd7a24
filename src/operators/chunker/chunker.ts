import { StreamError } from '../../errors.ts'
import type { Chunk } from '../../model.ts'
import { normalized, type Outline, outlineOf } from './outline.ts'
import { prioritySplit } from './priority-split.ts'
import type { Block, Range, TextKind } from './text-kind.ts'

/** Cuts a document into chunks: a pure function of text and title. */
export interface Chunker {
  /** Everything that decides the chunks: another id may give other chunks for the same text. */
  readonly id: string
  /** Chunks in the order of the text. Together their texts are the document, white space aside; none is empty. */
  split(text: string, title?: string): Chunk[]
}

export interface ChunkerSettings {
  /** No cut leaves less than this on either side while another place is left; at most half of `max`. Default 200 UTF-16 code units. */
  readonly min?: number
  /** No chunk is longer. Default 1,400 UTF-16 code units. */
  readonly max?: number
  /** A further limit on what is embedded, such as `tokenLimit` of the embedder. Default: none. */
  readonly limit?: MeaningLimit
}

/**
 * A limit that only the model can tell, such as its number of tokens. Chunks that do not fit are cut on like chunks that are too long,
 * unless their heading path takes more than half of what fits: every piece would repeat it.
 *
 * @example
 * { id: 'words-200', fits: (meaning) => meaning.split(' ').length <= 200 }
 */
export interface MeaningLimit {
  /** Has to change whenever `fits` may answer otherwise. Read when the topology is open. */
  readonly id: string
  /** Whether a chunk with this meaning may stay whole. Pure: the same text gets the same answer for ever. */
  fits(meaning: string): boolean
}

const split = 'priority-split/1'

const defaultMin = 200
const defaultMax = 1_400

/** A chunker for one kind of text, by `prioritySplit`. Throws CONFIG_INVALID for sizes that contradict each other. */
export function createChunker(kind: TextKind, settings: ChunkerSettings = {}): Chunker {
  const { min = defaultMin, max = defaultMax, limit } = settings
  if (!(max >= 1 && min >= 0 && 2 * min <= max)) {
    throw new StreamError('CONFIG_INVALID', `chunks of ${min} to ${max} characters cannot be cut`, {
      fix: 'Set `max` to 1 or more, and `min` to at most half of it.',
    })
  }
  return {
    get id() {
      return `${split} ${kind.id} min=${min} max=${max}${limit ? ` limit=${limit.id}` : ''}`
    },
    split(source, title) {
      // The index holds UTF-8, which has no lone surrogates: they become U+FFFD here, not somewhere on the way.
      const text = source.toWellFormed()
      const blocks = kind.blocks(text)
      const document = { text, kind, blocks, outline: outlineOf(text, blocks, { kind, ...(title && { title }) }) }
      const fits = limit && ((range: Range) => isWithin(limit, chunkOf(document, range)))
      const ranges = prioritySplit(text, blocks, { min, max, ...(fits && { fits }) })
      return ranges.map((range) => chunkOf(document, range))
    },
  }
}

function isWithin(limit: MeaningLimit, { heading, meaning }: Chunk): boolean {
  return limit.fits(meaning) || (heading !== '' && !limit.fits(`${heading}\n${heading}`))
}

interface Document {
  readonly text: string
  readonly kind: TextKind
  readonly blocks: readonly Block[]
  readonly outline: Outline
}

function chunkOf(document: Document, range: Range): Chunk {
  const text = document.text.slice(range.start, range.end)
  const first = blockAt(document.blocks, range.start)
  const body = behindHeadings(document, range, first)
  const heading = document.outline.pathAfter(body > first ? body - 1 : first)
  const plain = normalized(plainText(document, range, body))
  // Markup alone still has to be found and told apart: it stands for itself.
  const said = plain === '' && (body === first || heading === '') ? normalized(text) : plain
  return { text, heading, meaning: [heading, said].filter((part) => part !== '').join('\n') }
}

/** Headings that open a chunk, each below the one before, are in its path already: the index of the first block behind them. */
function behindHeadings({ blocks, outline }: Document, range: Range, first: number): number {
  let index = first
  let level = 0
  for (let block = blocks[index]; block; block = blocks[++index]) {
    const heading = outline.headingOf(index)
    const isInside = block.start >= range.start && block.content.end <= range.end
    if (!heading?.isWhole || !isInside || heading.level <= level) break
    level = heading.level
  }
  return index
}

function plainText({ text, blocks, kind }: Document, range: Range, from: number): string {
  const parts: string[] = []
  for (let index = from; index < blocks.length; index++) {
    const block = blocks[index]
    if (!block || block.start >= range.end) break
    const start = Math.max(block.content.start, range.start)
    const end = Math.min(block.content.end, range.end)
    if (start < end) parts.push(kind.plain(text, block, { start, end }))
  }
  return parts.join('\n')
}

/** The index of the last block that starts at `offset` or before it. */
function blockAt(blocks: readonly Block[], offset: number): number {
  let low = 0
  let high = blocks.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((blocks[middle]?.start ?? 0) <= offset) low = middle
    else high = middle - 1
  }
  return low
}
