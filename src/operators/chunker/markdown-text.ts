import type { Block, Range } from './text-kind.ts'

/** What a part of a Markdown block says: see `TextKind.plain`. White space is left as it is. */
export function markdownText(text: string, block: Block, range: Range): string {
  const source = text.slice(range.start, range.end)
  switch (block.kind) {
    case 'code':
      return source
    case 'quote':
      return inlineText(source.replace(quoteMark, ''))
    case 'table':
      return inlineText(source.replace(delimiterRow, '').replace(cellBorder, ' '))
    default:
      return inlineText(source)
  }
}

/** With the mark of a heading or an item behind it. */
const quoteMark = /^[ \t]*>[> \t]*(?:(?:#{1,6}|[-*+]|\d{1,9}[.)])[ \t]+)?/gm
const delimiterRow = /^[-:| \t]+$/gm
const cellBorder = /(?<!\\)\|/g

/**
 * Prose without its marks: links and images without their targets, emphasis, tags, comments, anchors and footnote references gone,
 * escapes and the usual entities resolved, code spans as they are. It approximates CommonMark and looks at every character a bounded
 * number of times: what is not closed stays as it was typed.
 */
export function inlineText(source: string): string {
  return anyMark.test(source) ? new InlineReader(source).read() : source
}

const anyMark = /[\\`*_~[!<&{]/
const nextMark = /[\\`*_~[\]!<&{]/g
const punctuation = /[!-/:-@[-`{-~]/
const wordCharacter = /[\p{L}\p{N}]/u
const footnote = /\[\^[^\]\s]{1,100}\]:?/y
const referenceLabel = /\[[^[\]]{0,999}\]/y
const attributes = /\{[#:][^{}\r\n]{0,200}\}/y
const autolink = /<([a-zA-Z][a-zA-Z0-9+.-]{1,31}:[^\s<>]*|[^\s<>@]{1,64}@[^\s<>@]{1,255})>/y
const tag = /<\/?([a-zA-Z][a-zA-Z0-9-]*)(?:[\s/][^<>]*)?>/y
const entity = /&(amp|lt|gt|quot|apos|nbsp|#39);/y
const entities: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
  nbsp: ' ',
  '#39': "'",
}
/** Tags that may stand inside a word; every other one parts two words. */
const phrasing = new Set(
  'a abbr b bdi bdo cite code data del dfn em i ins kbd mark q s samp small span strong sub sup time u var wbr'.split(
    ' ',
  ),
)
const longestTarget = 4_096

class InlineReader {
  readonly #source: string
  readonly #output: string[] = []
  /** Where in the output the brackets stand that are open. */
  readonly #brackets: number[] = []
  /** Lengths of runs of backticks that are not closed by an equal run in the rest. */
  readonly #unclosed = new Set<number>()
  readonly #lastParenthesis: number
  readonly #lastCommentEnd: number

  constructor(source: string) {
    this.#source = source
    this.#lastParenthesis = source.lastIndexOf(')')
    this.#lastCommentEnd = source.lastIndexOf('-->')
  }

  read(): string {
    let at = 0
    while (at < this.#source.length) {
      nextMark.lastIndex = at
      const mark = nextMark.exec(this.#source)
      const end = mark?.index ?? this.#source.length
      if (end > at) this.#output.push(this.#source.slice(at, end))
      at = mark ? this.#readMark(mark[0], end) : end
    }
    return this.#output.join('')
  }

  /** Reads what the mark at `at` begins; returns where to go on. */
  #readMark(mark: string, at: number): number {
    switch (mark) {
      case '\\':
        return this.#readEscape(at)
      case '`':
        return this.#readCode(at)
      case '*':
      case '_':
      case '~':
        return this.#readEmphasis(mark, at)
      case '!':
        return this.#source.charAt(at + 1) === '[' ? this.#openBracket('![', at) : this.#keep(mark, at)
      case '[':
        return this.#skip(footnote, at) ?? this.#openBracket('[', at)
      case ']':
        return this.#closeBracket(at)
      case '<':
        return this.#readTag(at)
      case '&':
        return this.#readEntity(at)
      default:
        return this.#skip(attributes, at) ?? this.#keep(mark, at)
    }
  }

  #keep(text: string, at: number): number {
    this.#output.push(text)
    return at + text.length
  }

  #skip(pattern: RegExp, at: number): number | undefined {
    pattern.lastIndex = at
    return pattern.test(this.#source) ? pattern.lastIndex : undefined
  }

  #readEscape(at: number): number {
    const next = this.#source.charAt(at + 1)
    if (next === '\n' || next === '\r') return at + 1
    if (!punctuation.test(next)) return this.#keep('\\', at)
    this.#output.push(next)
    return at + 2
  }

  #readCode(at: number): number {
    const start = this.#runEnd(at)
    const length = start - at
    const end = this.#closingRun(length, start)
    if (end < 0) return this.#keep(this.#source.slice(at, start), at)
    this.#output.push(this.#source.slice(start, end))
    return end + length
  }

  #closingRun(length: number, from: number): number {
    if (this.#unclosed.has(length)) return -1
    for (let at = this.#source.indexOf('`', from); at >= 0; at = this.#source.indexOf('`', at)) {
      const end = this.#runEnd(at)
      if (end - at === length) return at
      at = end
    }
    this.#unclosed.add(length)
    return -1
  }

  /** Marks between white space are signs of their own, and an underscore inside a word is a part of it. */
  #readEmphasis(mark: string, at: number): number {
    const end = this.#runEnd(at)
    const before = this.#source.charAt(at - 1)
    const after = this.#source.charAt(end)
    const isAlone = before.trim() === '' && after.trim() === ''
    const isInWord = mark === '_' && wordCharacter.test(before) && wordCharacter.test(after)
    const isTilde = mark === '~' && end - at !== 2
    return isAlone || isInWord || isTilde ? this.#keep(this.#source.slice(at, end), at) : end
  }

  #runEnd(at: number): number {
    const mark = this.#source.charAt(at)
    let end = at + 1
    while (this.#source.charAt(end) === mark) end++
    return end
  }

  #openBracket(bracket: string, at: number): number {
    this.#brackets.push(this.#output.length)
    return this.#keep(bracket, at)
  }

  #closeBracket(at: number): number {
    const open = this.#brackets.pop()
    const end = open === undefined ? undefined : (this.#targetEnd(at + 1) ?? this.#skip(referenceLabel, at + 1))
    if (open === undefined || end === undefined) return this.#keep(']', at)
    this.#output[open] = ''
    return end
  }

  /** Where the link target ends that starts with the parenthesis at `at`; undefined when there is none. */
  #targetEnd(at: number): number | undefined {
    if (this.#source.charAt(at) !== '(' || this.#lastParenthesis < at) return undefined
    let depth = 0
    const limit = Math.min(this.#source.length, at + longestTarget)
    for (let end = at; end < limit; end++) {
      const character = this.#source.charAt(end)
      if (character === '\\') end++
      else if (character === '(') depth++
      else if (character === ')' && --depth === 0) return end + 1
    }
    return undefined
  }

  #readTag(at: number): number {
    if (this.#source.startsWith('<!--', at)) return this.#readComment(at)
    autolink.lastIndex = at
    const link = autolink.exec(this.#source)
    if (link) {
      this.#output.push(link[1] ?? '')
      return autolink.lastIndex
    }
    tag.lastIndex = at
    const element = tag.exec(this.#source)
    if (!element) return this.#keep('<', at)
    if (!phrasing.has(element[1]?.toLowerCase() ?? '')) this.#output.push(' ')
    return tag.lastIndex
  }

  #readComment(at: number): number {
    return this.#lastCommentEnd < at + 4 ? this.#keep('<', at) : this.#source.indexOf('-->', at + 4) + 3
  }

  #readEntity(at: number): number {
    entity.lastIndex = at
    const name = entity.exec(this.#source)?.[1]
    if (name === undefined) return this.#keep('&', at)
    this.#output.push(entities[name] ?? '')
    return entity.lastIndex
  }
}
