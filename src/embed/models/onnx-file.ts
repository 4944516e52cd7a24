import { closeSync, openSync, readSync } from 'node:fs'

/** What an ONNX file says about itself, without its weights. */
export interface OnnxFile {
  /** Kinds of the nodes of the graph: `MatMul`, `DynamicQuantizeLinear` ... */
  readonly operators: ReadonlySet<string>
  /** Files with weights, by their path from the folder of this one. */
  readonly externalFiles: readonly string[]
}

/** Numbers of fields in onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), on the way to what is asked for. */
const fields = { graph: 7, node: 1, operator: 4, initializer: 5, externalData: 13, key: 1, value: 2 }

/**
 * Reads the outline of an ONNX file: jumps over the weights, so it takes some hundred small reads however large the file is. Stops where
 * the file is no protobuf; whether it is a model is for the runtime to say.
 */
export function readOnnxFile(path: string): OnnxFile {
  using file = new ProtobufFile(path)
  const operators = new Set<string>()
  const externalFiles = new Set<string>()
  for (const part of partsOfGraph(file)) {
    if (part.number === fields.initializer) addLocation(externalFiles, file, part)
    else {
      const operator = file.fieldsOf(part, [fields.operator]).next().value
      if (operator) operators.add(file.text(operator))
    }
  }
  return { operators, externalFiles: [...externalFiles].sort() }
}

/** Nodes and weights, in one go through the file. */
function* partsOfGraph(file: ProtobufFile): Generator<Field> {
  for (const graph of file.fieldsOf(wholeFile, [fields.graph]))
    yield* file.fieldsOf(graph, [fields.node, fields.initializer])
}

/** Where weights lie is told in pairs of a key and a value; that of the key `location` is the path of a file. */
function addLocation(externalFiles: Set<string>, file: ProtobufFile, initializer: Span): void {
  for (const pair of file.fieldsOf(initializer, [fields.externalData])) {
    const [key, value] = [fields.key, fields.value].map((number) => file.fieldsOf(pair, [number]).next().value)
    if (key && value && file.text(key) === 'location') externalFiles.add(file.text(value))
  }
}

interface Span {
  readonly from: number
  readonly to: number
}

interface Field extends Span {
  readonly number: number
  readonly wireType: number
}

const wholeFile: Span = { from: 0, to: Number.POSITIVE_INFINITY }

const windowBytes = 4_096
/** A text is read in one window. */
const longestText = windowBytes

/** Protocol buffers (https://protobuf.dev/programming-guides/encoding) in a file that may be larger than memory. */
class ProtobufFile implements Disposable {
  readonly #descriptor: number
  readonly #window = Buffer.allocUnsafe(windowBytes)
  #windowFrom = 0
  #windowTo = 0
  #cursor = 0

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r')
  }

  /** The messages, or texts, in the fields of these numbers, in the order of the file. */
  *fieldsOf(span: Span, numbers: readonly number[]): Generator<Field> {
    let at = span.from
    while (at < span.to) {
      const field = this.#fieldAt(at)
      if (!field || field.to > span.to) return
      if (field.wireType === lengthDelimited && numbers.includes(field.number)) yield field
      at = field.to
    }
  }

  text({ from, to }: Span): string {
    const length = Math.min(to - from, longestText)
    this.#show(from, length)
    const start = from - this.#windowFrom
    return this.#window.toString('utf8', start, Math.min(start + length, this.#windowTo - this.#windowFrom))
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }

  /** The field that begins there; undefined where there is none. */
  #fieldAt(at: number): Field | undefined {
    this.#cursor = at
    const tag = this.#varint()
    if (tag === undefined) return undefined
    const wireType = tag & 7
    const length = this.#lengthOf(wireType)
    return length === undefined
      ? undefined
      : { number: tag >> 3, wireType, from: this.#cursor, to: this.#cursor + length }
  }

  /** Bytes of the value at the cursor. Moves the cursor over what is before them, or over a number. */
  #lengthOf(wireType: number): number | undefined {
    if (wireType === lengthDelimited) return this.#varint()
    if (wireType === varint) return this.#varint() === undefined ? undefined : 0
    return fixedSizes[wireType]
  }

  /** The number at the cursor, which moves over it. */
  #varint(): number | undefined {
    let value = 0
    for (let bytes = 0, factor = 1; bytes < 10; bytes++, factor *= 128) {
      const byte = this.#byte(this.#cursor++)
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    return undefined
  }

  #byte(at: number): number | undefined {
    if (!Number.isSafeInteger(at)) return undefined
    this.#show(at, 1)
    return at < this.#windowTo ? this.#window[at - this.#windowFrom] : undefined
  }

  /** Moves the window to where so many bytes are in it, as far as the file has them. */
  #show(from: number, length: number): void {
    if (from >= this.#windowFrom && from + length <= this.#windowTo) return
    this.#windowFrom = from
    this.#windowTo = from + readSync(this.#descriptor, this.#window, 0, windowBytes, from)
  }
}

const varint = 0
const lengthDelimited = 2
const fixedSizes: Readonly<Record<number, number>> = { 1: 8, 5: 4 }
