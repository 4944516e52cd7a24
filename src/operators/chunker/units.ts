import { hashOfLeadingWords } from './leading-words.ts'
import { isSpace, linesOf } from './lines.ts'
import { sentenceStarts } from './sentences.ts'
import type { Block, Range } from './text-kind.ts'

/** What a text is made of, from coarse to fine. */
export type Grain = 'block' | 'sentence' | 'line' | 'word' | 'character'

/** A piece of a text without the white space around it. Its start is a place where the text may be cut. */
export interface Unit extends Range {
  readonly grain: Grain
  /** How good a place its start is: a class, plus a hash below 1 that parts equals. */
  readonly rank: number
  /** The block that it is a part of. */
  readonly block: Block
}

/** Classes of places. A heading of level n has `heading - n`. */
const placeRank = { inside: 0, afterHeading: 3, sentence: 4, nestedBlock: 5, block: 6, heading: 13 } as const

export function blockUnits(text: string, blocks: readonly Block[]): Unit[] {
  return blocks.map((block, index) => {
    const end = visibleEnd(text, block)
    const rank = blockRank(block, blocks[index - 1]) + hashOfLeadingWords(text, block.start, end)
    return { start: block.start, end, grain: 'block', rank, block }
  })
}

function blockRank(block: Block, previous: Block | undefined): number {
  if (previous?.kind === 'heading') return placeRank.afterHeading
  if (block.kind === 'heading') return placeRank.heading - block.level
  return block.nested ? placeRank.nestedBlock : placeRank.block
}

/** A unit in the next finer grain that has something to part; undefined when it is a single character. */
export function finerUnits(text: string, unit: Unit): Unit[] | undefined {
  let grain = unit.grain
  while (grain !== 'character') {
    const parts = partings[grain](text, unit)
    grain = nextGrain[grain]
    if (parts.length > 1) return unitsOf(text, unit, { grain, parts })
  }
  const parts = halves(text, unit)
  return parts.length > 1 ? unitsOf(text, unit, { grain, parts }) : undefined
}

interface Part {
  readonly start: number
  readonly rank: number
}

type CoarseGrain = Exclude<Grain, 'character'>

const nextGrain: Readonly<Record<CoarseGrain, Grain>> = {
  block: 'sentence',
  sentence: 'line',
  line: 'word',
  word: 'character',
}

const partings: Readonly<Record<CoarseGrain, (text: string, unit: Unit) => Part[]>> = {
  block: sentences,
  sentence: lines,
  line: words,
  word: halves,
}

function unitsOf(text: string, whole: Unit, finer: { readonly grain: Grain; readonly parts: readonly Part[] }): Unit[] {
  const units: Unit[] = []
  for (const [index, { start, rank }] of finer.parts.entries()) {
    const end = visibleEnd(text, { start, end: finer.parts[index + 1]?.start ?? whole.end })
    if (start === end) continue
    const place = units.length === 0 ? whole.rank : rank + hashOfLeadingWords(text, start, end)
    units.push({ start, end, grain: finer.grain, rank: place, block: whole.block })
  }
  return units
}

/** Only prose has sentences. */
function sentences(text: string, { block, start, end }: Unit): Part[] {
  const whole = { start, rank: placeRank.sentence }
  if (block.kind !== 'text' && block.kind !== 'quote') return [whole]
  const source = { start: Math.max(start, block.content.start), end: Math.min(end, block.content.end) }
  if (source.start >= source.end) return [whole]
  return [whole, ...sentenceStarts(text, source).map((start) => ({ start, rank: placeRank.sentence }))]
}

/** Lines with something in them. A blank line before it, and no indentation, make the start of a line a better place. */
function lines(text: string, unit: Unit): Part[] {
  const parts: Part[] = []
  let afterBlank = false
  for (const line of linesOf(text.slice(unit.start, unit.end))) {
    const isBlank = line.first === line.end
    if (!isBlank) {
      const better = afterBlank ? (line.indent === 0 ? 2 : 1) : 0
      parts.push({ start: unit.start + line.start, rank: placeRank.inside + better })
    }
    afterBlank = isBlank
  }
  return parts
}

function words(text: string, unit: Unit): Part[] {
  const parts: Part[] = [{ start: unit.start, rank: placeRank.inside }]
  const source = text.slice(unit.start, unit.end)
  const wordStart = /\s\S/g
  while (wordStart.test(source)) parts.push({ start: unit.start + --wordStart.lastIndex, rank: placeRank.inside })
  return parts
}

/** A surrogate pair stays whole. */
function halves(text: string, { start, end }: Unit): Part[] {
  let middle = start + Math.ceil((end - start) / 2)
  if (isLowSurrogate(text.charCodeAt(middle))) middle--
  const starts = middle > start && middle < end ? [start, middle] : [start]
  return starts.map((start) => ({ start, rank: placeRank.inside }))
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff
}

function visibleEnd(text: string, { start, end }: Range): number {
  let visible = end
  while (visible > start && isSpace(text.charCodeAt(visible - 1))) visible--
  return visible
}
