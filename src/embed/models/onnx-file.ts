import { closeSync, openSync, readSync } from 'node:fs'

/** What an ONNX file says about itself, without its weights. */
export interface OnnxFile {
  /** Kinds of the nodes of the graph: `MatMul`, `DynamicQuantizeLinear` ... */
  readonly operators: ReadonlySet<string>
  /** Files with weights, by their path from the folder of this one. */
  readonly externalFiles: readonly string[]
}

/** Numbers of fields in onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto), on the way to what is asked for. */
const operatorPath = [7, 1, 4]
const externalDataPath = [7, 5, 13]
const entry = { key: 1, value: 2 }

/**
 * Reads the outline of an ONNX file: jumps over the weights, so it takes some hundred small reads however large the file is. Stops where
 * the file is no protobuf; whether it is a model is for the runtime to say.
 */
export function readOnnxFile(path: string): OnnxFile {
  using file = new ProtobufFile(path)
  const operators = new Set(file.along(operatorPath).map((span) => file.text(span)))
  const externalFiles = new Set<string>()
  for (const span of file.along(externalDataPath)) {
    const [key, value] = [entry.key, entry.value].map((field) => file.messages(span, field).next().value)
    if (key && value && file.text(key) === 'location') externalFiles.add(file.text(value))
  }
  return { operators, externalFiles: [...externalFiles].sort() }
}

interface Span {
  readonly from: number
  readonly to: number
}

const windowBytes = 4_096
const longestText = 4_096

/** Protocol buffers (https://protobuf.dev/programming-guides/encoding) in a file that may be larger than memory. */
class ProtobufFile implements Disposable {
  readonly #descriptor: number
  readonly #window = new Uint8Array(windowBytes)
  #windowFrom = 0
  #windowTo = 0

  constructor(path: string) {
    this.#descriptor = openSync(path, 'r')
  }

  /** The messages, or texts, that lie in fields of these numbers, one in the other. */
  *along(numbers: readonly number[], span: Span = { from: 0, to: Number.POSITIVE_INFINITY }): Generator<Span> {
    const [number = 0, ...inner] = numbers
    for (const message of this.messages(span, number))
      if (inner.length === 0) yield message
      else yield* this.along(inner, message)
  }

  /** The messages, or texts, in the fields of one number. */
  *messages(span: Span, number: number): Generator<Span> {
    let at = span.from
    while (at < span.to) {
      const tag = this.#varint(at)
      const value = tag && this.#valueOf(tag.value & 7, tag.next)
      if (!tag || !value || value.to > span.to) return
      if ((tag.value & 7) === lengthDelimited && tag.value >> 3 === number) yield value
      at = value.to
    }
  }

  text({ from, to }: Span): string {
    const bytes = new Uint8Array(Math.min(to - from, longestText))
    const read = readSync(this.#descriptor, bytes, 0, bytes.length, from)
    return new TextDecoder().decode(bytes.subarray(0, read))
  }

  [Symbol.dispose](): void {
    closeSync(this.#descriptor)
  }

  /** Where a value lies; undefined where there is none. */
  #valueOf(wireType: number, at: number): Span | undefined {
    const size = fixedSizes[wireType]
    if (size !== undefined) return { from: at, to: at + size }
    const number = this.#varint(at)
    if (!number) return undefined
    if (wireType === 0) return { from: at, to: number.next }
    return wireType === lengthDelimited ? { from: number.next, to: number.next + number.value } : undefined
  }

  #varint(from: number): { readonly value: number; readonly next: number } | undefined {
    let value = 0
    for (let at = from, factor = 1; at < from + 10; at++, factor *= 128) {
      const byte = this.#byte(at)
      if (byte === undefined) return undefined
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return { value, next: at + 1 }
    }
    return undefined
  }

  #byte(at: number): number | undefined {
    if (!Number.isSafeInteger(at)) return undefined
    if (at < this.#windowFrom || at >= this.#windowTo) {
      this.#windowFrom = at
      this.#windowTo = at + readSync(this.#descriptor, this.#window, 0, windowBytes, at)
    }
    return at < this.#windowTo ? this.#window[at - this.#windowFrom] : undefined
  }
}

const lengthDelimited = 2
const fixedSizes: Readonly<Record<number, number>> = { 1: 8, 5: 4 }
