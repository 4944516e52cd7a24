import { RangeMaximum } from './range-maximum.ts'
import type { Block, Range } from './text-kind.ts'
import { blockUnits, finerUnits, type Unit } from './units.ts'

export interface SplitSettings {
  /** No part is shorter, unless the text is, or something shorter than twice this does not fit. UTF-16 code units. */
  readonly min: number
  /** What is not longer stays whole. At least twice `min`. UTF-16 code units. */
  readonly max: number
  /** What is short enough but does not fit is cut on. Has to be a pure function of the text. */
  readonly fits?: (range: Range) => boolean
}

/** Units that follow one another, and an index to find the best place to cut among them. */
interface Units {
  readonly list: readonly Unit[]
  readonly ranks: RangeMaximum
}

/** Units `from` to `to`, both included. */
interface Piece {
  readonly units: Units
  readonly from: number
  readonly to: number
}

/**
 * Cuts a text into parts of `min` to `max` characters that stay the same when something else in the text changes.
 *
 * A text that is too long is cut at its best place: before the heading of the highest level, else before a block, else between two
 * sentences; among equals where the hash of the words that follow is largest; never nearer than `min` to an end. Both sides are cut on
 * in the same way. An edit moves a cut only if it touches the place itself or makes or removes a better one, because nothing depends on
 * the distance from the start of the text. The result is a treap over the places (Seidel and Aragon, 1996) whose leaves have a size.
 *
 * Where every place is too near to an end, the unit around the middle (a fence, a table, a long sentence) is cut between lines, else
 * between words, else between characters. Iterative, and in n log n for n places.
 */
export function prioritySplit(text: string, blocks: readonly Block[], settings: SplitSettings): Range[] {
  const parts: Range[] = []
  const open: Piece[] = blocks.length > 0 ? [wholeOf(blockUnits(text, blocks))] : []
  for (let piece = open.pop(); piece; piece = open.pop()) {
    const range = rangeOf(piece)
    const halves = isSmallEnough(range, settings) ? undefined : divided(text, piece, settings.min)
    if (halves) open.push(...halves.reverse())
    else parts.push(range)
  }
  return parts
}

function isSmallEnough(range: Range, settings: SplitSettings): boolean {
  return range.end - range.start <= settings.max && (settings.fits?.(range) ?? true)
}

/** The piece in two, or the same piece in finer units; undefined when it cannot be parted. */
function divided(text: string, piece: Piece, min: number): Piece[] | undefined {
  const { start, end } = rangeOf(piece)
  const first = firstFrom(piece, start + min)
  const last = firstFrom(piece, end - min + 1) - 1
  const best = piece.units.ranks.indexOf(first, last)
  if (best !== undefined) return cutBefore(piece, best)
  if (end - start < 2 * min) return cutInTheMiddle(piece) ?? refined(text, piece, piece.from)
  // No unit starts between the two limits, so one unit reaches over both.
  return refined(text, piece, last) ?? cutInTheMiddle(piece)
}

function cutBefore({ units, from, to }: Piece, index: number): Piece[] {
  return [
    { units, from, to: index - 1 },
    { units, from: index, to },
  ]
}

function cutInTheMiddle(piece: Piece): Piece[] | undefined {
  if (piece.from === piece.to) return undefined
  const { start, end } = rangeOf(piece)
  const middle = (start + end) / 2
  const after = firstFrom(piece, middle)
  const distance = (index: number) => Math.abs((piece.units.list[index]?.start ?? start) - middle)
  const isBeforeNearer = after > piece.to || distance(after - 1) <= distance(after)
  return cutBefore(piece, Math.max(piece.from + 1, isBeforeNearer ? after - 1 : after))
}

/** The piece with unit `index` replaced by finer ones. */
function refined(text: string, { units, from, to }: Piece, index: number): Piece[] | undefined {
  const unit = units.list[index]
  const finer = unit && finerUnits(text, unit)
  if (!finer) return undefined
  return [wholeOf([...units.list.slice(from, index), ...finer, ...units.list.slice(index + 1, to + 1)])]
}

function wholeOf(list: readonly Unit[]): Piece {
  const ranks = new RangeMaximum(Float64Array.from(list, ({ rank }) => rank))
  return { units: { list, ranks }, from: 0, to: list.length - 1 }
}

function rangeOf({ units, from, to }: Piece): Range {
  return { start: units.list[from]?.start ?? 0, end: units.list[to]?.end ?? 0 }
}

/** The first unit of the piece but for its own first one that starts at `offset` or behind it; `to + 1` when there is none. */
function firstFrom({ units, from, to }: Piece, offset: number): number {
  let low = from + 1
  let high = to + 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((units.list[middle]?.start ?? 0) >= offset) high = middle
    else low = middle + 1
  }
  return low
}
