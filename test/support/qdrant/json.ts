/**
 * JSON as the server reads it: integers and floats stay apart, keys keep their order, and every value knows where it stands in the
 * body, because error messages name the byte.
 */

/** A number that is not an integer of 64 bits. */
export class Float {
  readonly value: number

  constructor(value: number) {
    this.value = value
  }
}

export type Scalar = null | boolean | number | bigint | Float | string
/** Integers are `number` while exact, else `bigint`. */
export type Json = Scalar | Json[] | JsonObject
export type JsonObject = Map<string, Json>

export interface ScalarNode {
  readonly kind: 'scalar'
  readonly start: number
  readonly end: number
  readonly value: Scalar
}

export interface ObjectEntry {
  readonly key: string
  readonly keyEnd: number
  readonly value: Node
}

export interface ObjectNode {
  readonly kind: 'object'
  readonly start: number
  readonly end: number
  readonly entries: readonly ObjectEntry[]
}

/** An array; long arrays of numbers keep only the numbers, and become nodes when somebody asks for them. */
export class ArrayNode {
  readonly kind = 'array'
  readonly start: number
  readonly end: number
  readonly numbers: readonly number[] | undefined
  #items: readonly Node[] | undefined
  readonly #read: () => readonly Node[]

  constructor(range: { start: number; end: number }, read: () => readonly Node[], numbers?: readonly number[]) {
    this.start = range.start
    this.end = range.end
    this.numbers = numbers
    this.#read = read
  }

  get length(): number {
    return this.numbers?.length ?? this.items.length
  }

  get items(): readonly Node[] {
    this.#items ??= this.#read()
    return this.#items
  }
}

export type Node = ScalarNode | ObjectNode | ArrayNode

/** The value of a node, without its place. Of equal keys the last one counts. */
export function toJson(node: Node): Json {
  if (node.kind === 'scalar') return node.value
  if (node.kind === 'array') return node.items.map(toJson)
  return new Map(node.entries.map(({ key, value }) => [key, toJson(value)]))
}

/** A copy that shares nothing. */
export function cloneJson(value: Json): Json {
  if (Array.isArray(value)) return value.map(cloneJson)
  if (value instanceof Map) return new Map([...value].map(([key, item]) => [key, cloneJson(item)]))
  return value
}

/** `line 1 column 12`, counted in bytes. */
export function placeOf(text: string, offset: number): string {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  return `line ${line} column ${offset - (before.lastIndexOf('\n') + 1)}`
}
