/** JSON text to nodes, with the messages and places of serde_json. */
import { ArrayNode, Float, type Node, type ObjectEntry, type ObjectNode, type Scalar, type ScalarNode } from './json.ts'

/** A fault in the text itself, with the byte offset that the server reports. */
export class JsonSyntaxError extends Error {
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

const maxDepth = 128
const quickArray = /\[[-+0-9.eE, ]{64,}\]/y
const numberText = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?/y
const plainString = /"([ !#-[\]-~]*)"/y
const maxUnsigned = 18446744073709551615n
const minSigned = -9223372036854775808n

/** Parses bytes that were decoded as latin1, so that an index is a byte offset. */
export function parseJson(text: string): Node {
  const parser = new Parser(text)
  const node = parser.value(0)
  parser.finish()
  return node
}

class Parser {
  readonly #text: string
  #at = 0
  /** Set while a number array is taken apart, so that it is not packed again. */
  readonly #unpack: boolean

  constructor(text: string, at = 0, unpack = false) {
    this.#text = text
    this.#at = at
    this.#unpack = unpack
  }

  finish(): void {
    this.#space()
    if (this.#at < this.#text.length) throw this.#peekError('trailing characters')
  }

  value(depth: number): Node {
    this.#space()
    const start = this.#at
    switch (this.#text[start]) {
      case undefined:
        throw this.#peekError('EOF while parsing a value')
      case '{':
        return this.#object(depth + 1)
      case '[':
        return this.#array(depth + 1)
      case '"':
        return this.#scalar(start, this.#string())
      case 'n':
        return this.#scalar(start, this.#word('null', null))
      case 't':
        return this.#scalar(start, this.#word('true', true))
      case 'f':
        return this.#scalar(start, this.#word('false', false))
      default:
        return this.#scalar(start, this.#number())
    }
  }

  #scalar(start: number, value: Scalar): ScalarNode {
    return { kind: 'scalar', start, end: this.#at, value }
  }

  #object(depth: number): ObjectNode {
    const start = this.#at++
    this.#limit(depth)
    const entries: ObjectEntry[] = []
    for (;;) {
      this.#space()
      const next = this.#text[this.#at]
      if (next === '}') break
      if (next === undefined) throw this.#peekError('EOF while parsing an object')
      if (entries.length > 0) this.#commaInObject(next)
      entries.push(this.#entry(depth))
    }
    this.#at++
    return { kind: 'object', start, end: this.#at, entries }
  }

  #entry(depth: number): ObjectEntry {
    if (this.#text[this.#at] !== '"') throw this.#peekError('key must be a string')
    const key = this.#string()
    const keyEnd = this.#at
    this.#space()
    const colon = this.#text[this.#at]
    if (colon !== ':') throw this.#peekError(colon === undefined ? 'EOF while parsing an object' : 'expected `:`')
    this.#at++
    return { key, keyEnd, value: this.value(depth) }
  }

  #commaInObject(next: string): void {
    if (next !== ',') throw this.#peekError('expected `,` or `}`')
    this.#at++
    this.#space()
    if (this.#at >= this.#text.length) throw this.#peekError('EOF while parsing a value')
    if (this.#text[this.#at] === '}') throw this.#peekError('trailing comma')
  }

  #array(depth: number): ArrayNode {
    return (this.#unpack ? undefined : this.#packedArray()) ?? this.#plainArray(depth)
  }

  /** The fast way for vectors: one regular expression and the engine's own parser. */
  #packedArray(): ArrayNode | undefined {
    quickArray.lastIndex = this.#at
    const match = quickArray.exec(this.#text)
    if (!match) return undefined
    try {
      const numbers: unknown = JSON.parse(match[0])
      if (!isFiniteNumbers(numbers)) return undefined
      const start = this.#at
      this.#at += match[0].length
      const read = () => new Parser(this.#text, start, true).#plainArray(0).items
      return new ArrayNode({ start, end: this.#at }, read, numbers)
    } catch {
      return undefined
    }
  }

  #plainArray(depth: number): ArrayNode {
    const start = this.#at++
    this.#limit(depth)
    const items: Node[] = []
    for (;;) {
      this.#space()
      const next = this.#text[this.#at]
      if (next === ']') break
      if (next === undefined) throw this.#peekError('EOF while parsing a list')
      if (items.length > 0) this.#commaInArray(next)
      items.push(this.value(depth))
    }
    this.#at++
    return new ArrayNode({ start, end: this.#at }, () => items)
  }

  #commaInArray(next: string): void {
    if (next !== ',') throw this.#peekError('expected `,` or `]`')
    this.#at++
    this.#space()
    if (this.#at >= this.#text.length) throw this.#peekError('EOF while parsing a value')
    if (this.#text[this.#at] === ']') throw this.#peekError('trailing comma')
  }

  #limit(depth: number): void {
    if (depth >= maxDepth) throw this.#error('recursion limit exceeded')
  }

  #word<T extends null | boolean>(word: string, value: T): T {
    for (const expected of word) {
      const actual = this.#text[this.#at]
      if (actual === undefined) throw this.#error('EOF while parsing a value')
      this.#at++
      if (actual !== expected) throw this.#error('expected ident')
    }
    return value
  }

  #number(): number | bigint | Float {
    numberText.lastIndex = this.#at
    const match = numberText.exec(this.#text)
    if (!match) throw this.#badNumber()
    const [text, fraction, exponent] = match
    this.#at += text.length
    const following = this.#text[this.#at]
    if (following === '.' || ((following === 'e' || following === 'E') && !exponent)) throw this.#badFraction()
    if (/^-?0$/.test(text) && following !== undefined && /\d/.test(following)) throw this.#peekError('invalid number')
    if (fraction || exponent || text === '-0') return this.#float(text)
    const value = Number(text)
    if (Number.isSafeInteger(value)) return value
    const exact = BigInt(text)
    return exact <= maxUnsigned && exact >= minSigned ? exact : this.#float(text)
  }

  #float(text: string): Float {
    const value = Number(text)
    if (!Number.isFinite(value)) throw this.#error('number out of range')
    return new Float(value)
  }

  #badNumber(): JsonSyntaxError {
    if (this.#text[this.#at] !== '-') return this.#peekError('expected value')
    this.#at++
    if (this.#at >= this.#text.length) return this.#error('EOF while parsing a value')
    this.#at++
    return this.#error('invalid number')
  }

  #badFraction(): JsonSyntaxError {
    const isPoint = this.#text[this.#at++] === '.'
    if (!isPoint && /[-+]/.test(this.#text[this.#at] ?? '')) this.#at++
    if (this.#at >= this.#text.length) return this.#peekError('EOF while parsing a value')
    if (isPoint) return this.#peekError('invalid number')
    this.#at++
    return this.#error('invalid number')
  }

  #string(): string {
    plainString.lastIndex = this.#at
    const plain = plainString.exec(this.#text)
    if (plain) {
      this.#at += plain[0].length
      return plain[1] ?? ''
    }
    this.#at++
    const pieces: string[] = []
    let raw = ''
    for (;;) {
      const char = this.#text[this.#at]
      if (char === undefined) throw this.#error('EOF while parsing a string')
      this.#at++
      if (char === '"') break
      if (char < ' ') throw this.#error('control character (\\u0000-\\u001F) found while parsing a string')
      if (char !== '\\') {
        raw += char
        continue
      }
      pieces.push(raw)
      raw = ''
      pieces.push(escapedMark, this.#escape())
    }
    pieces.push(raw)
    return this.#decode(pieces)
  }

  /** Raw pieces are UTF-8 bytes; escapes are text already. */
  #decode(pieces: readonly string[]): string {
    let result = ''
    for (let index = 0; index < pieces.length; index++) {
      const piece = pieces[index] ?? ''
      if (piece === escapedMark) result += pieces[++index] ?? ''
      else result += this.#utf8(piece)
    }
    return result
  }

  #utf8(piece: string): string {
    if (!/[\u0080-\u00ff]/.test(piece)) return piece
    try {
      return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(piece, 'latin1'))
    } catch {
      throw this.#error('invalid unicode code point')
    }
  }

  #escape(): string {
    const char = this.#text[this.#at]
    if (char === undefined) throw this.#error('EOF while parsing a string')
    this.#at++
    const simple = simpleEscapes[char]
    if (simple !== undefined) return simple
    if (char !== 'u') throw this.#error('invalid escape')
    return this.#unicodeEscape()
  }

  #unicodeEscape(): string {
    const first = this.#hex()
    if (first < 0xd800 || first > 0xdfff) return String.fromCharCode(first)
    if (first >= 0xdc00) throw this.#error('lone leading surrogate in hex escape')
    for (const expected of ['\\', 'u']) {
      if (this.#at >= this.#text.length) throw this.#error('EOF while parsing a string')
      if (this.#text[this.#at++] !== expected) throw this.#error('unexpected end of hex escape')
    }
    const second = this.#hex()
    if (second < 0xdc00 || second > 0xdfff) throw this.#error('lone leading surrogate in hex escape')
    return String.fromCharCode(first, second)
  }

  #hex(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4)
    if (digits.length < 4) {
      this.#at = this.#text.length
      throw this.#error('EOF while parsing a string')
    }
    this.#at += 4
    if (!/^[0-9a-fA-F]{4}$/.test(digits)) throw this.#error('invalid escape')
    return Number.parseInt(digits, 16)
  }

  #space(): void {
    for (let code = this.#text.charCodeAt(this.#at); isSpace(code); code = this.#text.charCodeAt(this.#at)) this.#at++
  }

  #error(message: string): JsonSyntaxError {
    return new JsonSyntaxError(message, this.#at)
  }

  #peekError(message: string): JsonSyntaxError {
    return new JsonSyntaxError(message, Math.min(this.#text.length, this.#at + 1))
  }
}

const escapedMark = '\\'
const simpleEscapes: Record<string, string> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
}

const isSpace = (code: number) => code === 32 || code === 10 || code === 13 || code === 9

const isFiniteNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.every((item) => typeof item === 'number' && Number.isFinite(item))
