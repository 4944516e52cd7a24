import { type Line, linesOf } from './lines.ts'
import type { Block, BlockKind } from './text-kind.ts'

/**
 * The blocks of a Markdown text (CommonMark, tables as GitHub has them, front matter), found line by line without parsing what is
 * inside them.
 *
 * Where it differs from a full parser on purpose: every list item is a block of its own, also inside other items; a block quote is cut
 * into paragraphs and items, whatever else it quotes; an indented paragraph of a list never counts as code.
 */
export function markdownBlocks(text: string): Block[] {
  const scanner = new BlockScanner(text)
  for (const line of linesOf(text)) scanner.read(line)
  return scanner.finish()
}

/** What takes the next line when that line starts nothing of its own. */
type Joinable = 'paragraph' | 'item' | 'quote' | 'table' | 'code' | 'definitions' | 'nothing'

interface OpenBlock extends Block {
  end: number
  kind: BlockKind
  level: number
  content: { start: number; end: number }
}

interface Beginning {
  readonly kind: BlockKind
  readonly joins: Joinable
  readonly level?: number
  /** Where the marks end; default: the start of the line. */
  readonly contentStart?: number
  /** Default: the end of the block. */
  readonly contentEnd?: number
}

const openContent = -1

/** No line of marks alone is longer; regular expressions that repeat groups need stack for every repetition. */
const longestLineOfMarks = 10_000

// Each is tried at one place of a line, and none can match the same part of it in two ways: their time is linear in the line.
const fenceOpening = /(`{3,})[^`\r\n]*$|(~{3,})/my
const thematicBreak = /([-*_])[ \t]*(?:\1[ \t]*){2,}$/my
const setextUnderline = /(?:=+|-+)[ \t]*$/my
const bullet = /[-*+](?:[ \t]+(?:\[[ xX]\][ \t]+)?|$)/my
const ordinal = /(\d{1,9})[.)](?:[ \t]+(?:\[[ xX]\][ \t]+)?|$)/my
const headingMark = /(#{1,6})(?:[ \t]+|$)/my
const delimiterRow = /\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*(?:\|[ \t]*)?$/my
const quotedItem = />[ \t>]*(?:[-*+]|\d{1,2}[.)])[ \t]/y
const quoteMarkAlone = />[ \t>]*$/my
const linkDefinition = /\[(?!\^)[^\]\r\n]{1,999}\]:[ \t]*\S/y
const rawElement = /<(script|style|pre|textarea)(?=[\s>])/iy
const rawElementEnd = /<\/(?:script|style|pre|textarea)>/gi
const frontMatterMark = /(?:---|\+\+\+)[ \t]*$/my
const frontMatterEnd = /^(?:---|\.\.\.|\+\+\+)[ \t]*$/gm

class BlockScanner {
  readonly #text: string
  readonly #blocks: OpenBlock[] = []
  #current: OpenBlock | undefined
  #joins: Joinable = 'nothing'
  #afterBlank = false
  #inList = false
  /** The marks that opened the fence around the current line. */
  #fence: string | undefined
  /** Up to here the text belongs to the current block, whatever it looks like. */
  #rawUntil = 0
  #previousLine = 0

  constructor(text: string) {
    this.#text = text
  }

  read(line: Line): void {
    if (this.#fence !== undefined) this.#readFenced(line, this.#fence)
    else if (line.first === line.end || this.#isBlankInQuote(line)) this.#afterBlank = true
    else if (line.start >= this.#rawUntil) {
      this.#readText(line)
      this.#afterBlank = false
    }
    this.#previousLine = line.start
  }

  finish(): Block[] {
    this.#close(this.#text.length)
    return this.#blocks
  }

  #isBlankInQuote(line: Line): boolean {
    return this.#joins === 'quote' && this.#matchWhole(quoteMarkAlone, line) !== null
  }

  #readText(line: Line): void {
    if (line.indent >= 4 && !this.#inList) this.#readIndented(line)
    else if (!this.#readMarked(line)) this.#readParagraph(line)
  }

  /** Whether the line starts a block of its own, or goes on with one, by its first character. */
  #readMarked(line: Line): boolean {
    switch (this.#text.charAt(line.first)) {
      case '#':
        return this.#readHeading(line)
      case '`':
      case '~':
        return this.#readFenceOpening(line)
      case '>':
        return this.#readQuote(line)
      case '|':
        return this.#readTableAbove(line) || this.#readRow(line)
      case '<':
        return this.#readComment(line) || this.#readRawElement(line)
      case '[':
        return this.#readDefinition(line)
      case '-':
      case '+':
      case '*':
      case '_':
      case '=':
      case ':':
        return this.#readPunctuation(line)
      default:
        return this.#readOrdinal(line)
    }
  }

  #readPunctuation(line: Line): boolean {
    return (
      this.#readFrontMatter(line) ||
      this.#readSetextUnderline(line) ||
      this.#readTableAbove(line) ||
      this.#readThematicBreak(line) ||
      this.#readBullet(line)
    )
  }

  #readHeading(line: Line): boolean {
    const mark = this.#match(headingMark, line)
    if (!mark) return false
    const contentStart = line.first + mark[0].length
    this.#begin(line, {
      kind: 'heading',
      joins: 'nothing',
      level: mark[1]?.length ?? 1,
      contentStart,
      contentEnd: headingEnd(this.#text, contentStart, line.end),
    })
    return true
  }

  /** A paragraph that is underlined was a heading all along. */
  #readSetextUnderline(line: Line): boolean {
    const block = this.#current
    if (!block || !this.#continues('paragraph') || !this.#matchWhole(setextUnderline, line)) return false
    block.kind = 'heading'
    block.level = this.#text.charAt(line.first) === '=' ? 1 : 2
    block.content.end = line.start
    this.#joins = 'nothing'
    return true
  }

  #readFenceOpening(line: Line): boolean {
    const mark = this.#matchWhole(fenceOpening, line)
    if (!mark) return false
    this.#begin(line, { kind: 'code', joins: 'nothing', contentStart: line.end })
    this.#fence = mark[1] ?? mark[2]
    return true
  }

  #readFenced(line: Line, fence: string): void {
    if (!closesFence(this.#text, line, fence)) return
    this.#fence = undefined
    if (this.#current) this.#current.content.end = line.start
  }

  #readIndented(line: Line): void {
    const goesOn = this.#joins === 'code' || (!this.#afterBlank && this.#joins !== 'nothing')
    if (!goesOn) this.#begin(line, { kind: 'code', joins: 'code' })
  }

  #readThematicBreak(line: Line): boolean {
    if (!this.#matchWhole(thematicBreak, line)) return false
    this.#begin(line, { kind: 'text', joins: 'nothing', contentEnd: line.start })
    return true
  }

  #readBullet(line: Line): boolean {
    const mark = this.#match(bullet, line)
    return mark !== null && this.#readItem(line, line.first + mark[0].length)
  }

  #readOrdinal(line: Line): boolean {
    const mark = this.#match(ordinal, line)
    // "1986. A great year" at the start of a wrapped line is no list.
    if (!mark || (mark[1] !== '1' && this.#continues('paragraph') && !this.#inList)) return false
    return this.#readItem(line, line.first + mark[0].length)
  }

  #readItem(line: Line, contentStart: number): boolean {
    const isEmpty = this.#text.slice(contentStart, line.end).trim() === ''
    if (isEmpty && this.#continues('paragraph')) return false
    const fence = this.#matchWhole(fenceOpening, { ...line, first: contentStart })
    if (fence) this.#begin(line, { kind: 'code', joins: 'nothing', contentStart: line.end })
    else this.#begin(line, { kind: 'text', joins: 'item', contentStart })
    this.#fence = fence?.[1] ?? fence?.[2]
    this.#inList = true
    return true
  }

  #readQuote(line: Line): boolean {
    if (!this.#continues('quote') || this.#match(quotedItem, line)) this.#begin(line, { kind: 'quote', joins: 'quote' })
    return true
  }

  #readRow(line: Line): boolean {
    if (!this.#continues('table')) this.#begin(line, { kind: 'table', joins: 'table' })
    return true
  }

  /** A row of dashes below one line of a paragraph makes that line the head of a table. */
  #readTableAbove(line: Line): boolean {
    if (!this.#continues('paragraph') || !this.#text.slice(line.first, line.end).includes('|')) return false
    if (!this.#matchWhole(delimiterRow, line)) return false
    const head = this.#previousLine
    if (this.#current?.start === head) this.#current.kind = 'table'
    else
      this.#begin({ start: head, end: line.start, first: head, indent: line.indent }, { kind: 'table', joins: 'table' })
    this.#joins = 'table'
    return true
  }

  #readComment(line: Line): boolean {
    if (!this.#text.startsWith('<!--', line.first)) return false
    const end = this.#text.indexOf('-->', line.first + 4)
    this.#rawUntil = end < 0 ? this.#text.length : end + 3
    this.#begin(line, { kind: 'text', joins: 'nothing', contentStart: this.#rawUntil })
    return true
  }

  #readRawElement(line: Line): boolean {
    const element = this.#match(rawElement, line)?.[1]?.toLowerCase()
    if (element === undefined) return false
    rawElementEnd.lastIndex = line.first
    this.#rawUntil = rawElementEnd.test(this.#text) ? rawElementEnd.lastIndex : this.#text.length
    const isProgram = element === 'script' || element === 'style'
    const contentStart = isProgram ? this.#rawUntil : line.start
    this.#begin(line, { kind: 'text', joins: 'nothing', contentStart })
    return true
  }

  #readDefinition(line: Line): boolean {
    const insideText = !this.#afterBlank && this.#joins !== 'nothing' && this.#joins !== 'definitions'
    if (insideText || !this.#match(linkDefinition, line)) return false
    if (this.#joins !== 'definitions') {
      this.#begin(line, { kind: 'text', joins: 'definitions', contentEnd: line.start })
    }
    return true
  }

  #readFrontMatter(line: Line): boolean {
    if (line.start > 0 || !this.#matchWhole(frontMatterMark, line)) return false
    frontMatterEnd.lastIndex = line.end
    const end = frontMatterEnd.exec(this.#text)
    if (!end) return false
    this.#rawUntil = end.index + end[0].length
    this.#begin(line, { kind: 'code', joins: 'nothing', contentStart: line.end, contentEnd: end.index })
    return true
  }

  #readParagraph(line: Line): void {
    const goesOn = !this.#afterBlank && ['paragraph', 'item', 'quote', 'table'].includes(this.#joins)
    if (!goesOn) this.#begin(line, { kind: 'text', joins: 'paragraph' })
  }

  /** True when the line follows directly on a block of that sort. */
  #continues(sort: Joinable): boolean {
    return !this.#afterBlank && this.#joins === sort
  }

  /** Matches what is at the start of the line. */
  #match(pattern: RegExp, line: Line): RegExpExecArray | null {
    pattern.lastIndex = line.first
    return pattern.exec(this.#text)
  }

  /** Matches the line as a whole. */
  #matchWhole(pattern: RegExp, line: Line): RegExpExecArray | null {
    return line.end - line.first > longestLineOfMarks ? null : this.#match(pattern, line)
  }

  #begin(line: Line, beginning: Beginning): void {
    this.#close(line.start)
    if (line.indent < 2) this.#inList = false
    this.#joins = beginning.joins
    this.#current = {
      start: line.start,
      end: line.end,
      kind: beginning.kind,
      level: beginning.level ?? 0,
      nested: this.#inList || (beginning.kind === 'quote' && this.#current?.kind === 'quote'),
      content: { start: beginning.contentStart ?? line.start, end: beginning.contentEnd ?? openContent },
    }
  }

  #close(end: number): void {
    if (!this.#current) return
    this.#current.end = end
    const content = this.#current.content
    if (content.end === openContent) content.end = end
    content.start = Math.min(content.start, content.end)
    this.#blocks.push(this.#current)
  }
}

/** Marks after the text of a heading close it, when a space stands before them. */
function headingEnd(text: string, start: number, lineEnd: number): number {
  let end = lineEnd
  while (end > start && text.charAt(end - 1).trim() === '') end--
  let marks = end
  while (marks > start && text.charAt(marks - 1) === '#') marks--
  const closes = marks < end && (marks === start || text.charAt(marks - 1).trim() === '')
  return closes ? marks : end
}

function closesFence(text: string, line: Line, fence: string): boolean {
  if (line.first === line.end || !text.startsWith(fence, line.first)) return false
  let at = line.first + fence.length
  while (text.charAt(at) === fence.charAt(0)) at++
  return text.slice(at, line.end).trim() === ''
}
