/**
 * Writes ONNX files by hand, so that a test can have a model of a few bytes whose vectors it knows. The numbers of the fields are those of
 * onnx.proto (https://github.com/onnx/onnx/blob/main/onnx/onnx.proto).
 */

export type ElementType = 'float32' | 'float16' | 'int64' | 'int32' | 'uint8'

const elementTypes: Readonly<Record<ElementType, number>> = { float32: 1, uint8: 2, int32: 6, int64: 7, float16: 10 }

export interface Value {
  readonly name: string
  readonly type: ElementType
  /** A name is a dimension that is known only when the graph runs. */
  readonly shape: readonly (number | string)[]
}

export interface Node {
  readonly operator: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Whole numbers only. */
  readonly attributes?: Readonly<Record<string, number>>
}

export interface Table {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: readonly number[]
  /** File beside the graph that holds the values, instead of the graph. */
  readonly file?: string
}

export interface Graph {
  readonly inputs: readonly Value[]
  readonly outputs: readonly Value[]
  readonly nodes: readonly Node[]
  readonly tables: readonly Table[]
}

/** The bytes of an ONNX file. */
export function onnxFile(graph: Graph): Uint8Array {
  const irVersion = 8
  const operatorSet = 17
  return concat(varintField(1, irVersion), field(7, graphOf(graph)), field(8, varintField(2, operatorSet)))
}

/** The bytes of the file that a table with `file` points to. */
export function tableBytes({ values }: Pick<Table, 'values'>): Uint8Array {
  return new Uint8Array(Float32Array.from(values).buffer)
}

function graphOf({ inputs, outputs, nodes, tables }: Graph): Uint8Array {
  return concat(
    ...nodes.map((node) => field(1, nodeOf(node))),
    text(2, 'graph'),
    ...tables.map((table) => field(5, tensorOf(table))),
    ...inputs.map((input) => field(11, valueInfoOf(input))),
    ...outputs.map((output) => field(12, valueInfoOf(output))),
  )
}

function nodeOf({ operator, inputs, outputs, attributes = {} }: Node): Uint8Array {
  const integer = 2
  return concat(
    ...inputs.map((input) => text(1, input)),
    ...outputs.map((output) => text(2, output)),
    text(4, operator),
    ...Object.entries(attributes).map(([name, value]) =>
      field(5, concat(text(1, name), varintField(3, value), varintField(20, integer))),
    ),
  )
}

function tensorOf(table: Table): Uint8Array {
  const head = concat(...table.shape.map((size) => varintField(1, size)), varintField(2, elementTypes.float32))
  if (table.file === undefined) return concat(head, text(8, table.name), field(9, tableBytes(table)))
  const external = 1
  return concat(head, text(8, table.name), field(13, entry('location', table.file)), varintField(14, external))
}

function entry(key: string, value: string): Uint8Array {
  return concat(text(1, key), text(2, value))
}

function valueInfoOf({ name, type, shape }: Value): Uint8Array {
  const sizes = shape.map((size) => field(1, typeof size === 'number' ? varintField(1, size) : text(2, size)))
  const tensor = concat(varintField(1, elementTypes[type]), field(2, concat(...sizes)))
  return concat(text(1, name), field(2, field(1, tensor)))
}

function text(number: number, value: string): Uint8Array {
  return field(number, new TextEncoder().encode(value))
}

/** A field of bytes. */
function field(number: number, bytes: Uint8Array): Uint8Array {
  return concat(varint((number << 3) | 2), varint(bytes.length), bytes)
}

function varintField(number: number, value: number): Uint8Array {
  return concat(varint(number << 3), varint(value))
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let left = value
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left % 128) | 0x80)
  return Uint8Array.from([...bytes, left])
}

function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]))
}
