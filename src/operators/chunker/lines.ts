/** A line of a text. Offsets are in UTF-16 code units. */
export interface Line {
  readonly start: number
  /** Behind the line break. */
  readonly end: number
  /** The first character that is not white space; `end` when the line is blank. */
  readonly first: number
  /** White space before `first`, in columns: a tab goes on to the next multiple of four. */
  readonly indent: number
}

/** The lines of a text, whichever line break it uses: LF, CR LF, CR, also mixed. */
export function* linesOf(text: string): Generator<Line> {
  let lineFeed = -1
  let carriageReturn = -1
  for (let start = 0, end = 0; start < text.length; start = end) {
    // Each break is looked for once, so that a text without one of them is not searched again for every line.
    if (lineFeed < start) lineFeed = positionOf('\n', text, start)
    if (carriageReturn < start) carriageReturn = positionOf('\r', text, start)
    end = Math.min(lineEnd(lineFeed, carriageReturn), text.length)
    yield lineAt(text, start, end)
  }
}

function lineEnd(lineFeed: number, carriageReturn: number): number {
  if (lineFeed < carriageReturn) return lineFeed + 1
  return carriageReturn + 1 === lineFeed ? lineFeed + 1 : carriageReturn + 1
}

function positionOf(character: string, text: string, from: number): number {
  const found = text.indexOf(character, from)
  return found < 0 ? Number.POSITIVE_INFINITY : found
}

const tab = 9
const space = 32

function lineAt(text: string, start: number, end: number): Line {
  let first = start
  let indent = 0
  for (let code = text.charCodeAt(first); first < end && isSpace(code); code = text.charCodeAt(++first)) {
    if (code === space) indent++
    else if (code === tab) indent += 4 - (indent % 4)
  }
  return { start, end, first, indent }
}

/** White space as `trim` knows it; what lies beyond ASCII is rare at the start of a line, and left to the slow path. */
export function isSpace(code: number): boolean {
  if (code <= space) return code === space || (code >= tab && code <= 13)
  return code >= 0xa0 && isRareSpace(code)
}

function isRareSpace(code: number): boolean {
  return String.fromCharCode(code).trim() === ''
}
