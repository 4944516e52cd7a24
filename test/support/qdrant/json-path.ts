/** Paths into a payload: `a.b`, `a[0].b`, `a[].b`, `"key with.dots".b`. */
import { cloneJson, type Json, type JsonObject } from './json.ts'
import { custom, type Decode, string } from './serde.ts'

export type PathItem = { readonly key: string } | { readonly index: number } | 'every'

export interface JsonPath {
  readonly first: string
  readonly rest: readonly PathItem[]
}

const firstKey = /^(?:([\p{Alphabetic}\p{N}_-]+)|"([^"\\]*)")/u
const nextItem = /^(?:\.([\p{Alphabetic}\p{N}_-]+)|\."([^"\\]*)"|\[(\d+)\]|(\[\]))/u

export function parsePath(text: string): JsonPath | undefined {
  const start = firstKey.exec(text)
  if (!start) return undefined
  const rest: PathItem[] = []
  let remaining = text.slice(start[0].length)
  while (remaining !== '') {
    const match = nextItem.exec(remaining)
    if (!match) return undefined
    rest.push(itemOf(match))
    remaining = remaining.slice(match[0].length)
  }
  return { first: start[1] ?? start[2] ?? '', rest }
}

function itemOf([, raw, quoted, index]: RegExpExecArray): PathItem {
  const key = raw ?? quoted
  if (key !== undefined) return { key }
  return index === undefined ? 'every' : { index: Number(index) }
}

export const jsonPath: Decode<JsonPath> = (node, way) => {
  const text = string(node, way)
  const path = parsePath(text)
  if (!path) throw custom(`Invalid json path: '${text}'`)
  return path
}

const quoteIfNeeded = (key: string) => (/^[\p{Alphabetic}\p{N}_-]+$/u.test(key) ? key : `"${key}"`)

export function printPath({ first, rest }: JsonPath): string {
  const tail = rest.map((item) => {
    if (item === 'every') return '[]'
    return 'key' in item ? `.${quoteIfNeeded(item.key)}` : `[${item.index}]`
  })
  return quoteIfNeeded(first) + tail.join('')
}

/** `a.b` becomes `a.b[]`. */
export function everyElement(path: JsonPath): JsonPath {
  return path.rest.at(-1) === 'every' ? path : { first: path.first, rest: [...path.rest, 'every'] }
}

export function joinPaths(base: JsonPath | undefined, path: JsonPath): JsonPath {
  return base ? { first: base.first, rest: [...base.rest, { key: path.first }, ...path.rest] } : path
}

export function valuesAt(payload: JsonObject, path: JsonPath): Json[] {
  const value = payload.get(path.first)
  if (value === undefined) return []
  const result: Json[] = []
  collect(value, path.rest, result)
  return result
}

function collect(value: Json, path: readonly PathItem[], result: Json[]): void {
  const [head, ...tail] = path
  if (head === undefined) {
    result.push(value)
    return
  }
  for (const child of childrenOf(value, head)) collect(child, tail, result)
}

function childrenOf(value: Json, item: PathItem): Json[] {
  if (item === 'every') return Array.isArray(value) ? value : []
  const child = 'key' in item ? fieldOf(value, item.key) : Array.isArray(value) ? value[item.index] : undefined
  return child === undefined ? [] : [child]
}

const fieldOf = (value: Json, key: string) => (value instanceof Map ? value.get(key) : undefined)

/** Removes a key as an index map does: the last key takes its place. */
function removeKey(object: JsonObject, key: string): void {
  if (!object.has(key)) return
  const entries = [...object]
  const position = entries.findIndex(([candidate]) => candidate === key)
  const last = entries.pop()
  if (last && position < entries.length) entries[position] = last
  object.clear()
  for (const [name, value] of entries) object.set(name, value)
}

/** Null removes a key, anything else replaces it. */
export function mergeInto(target: JsonObject, source: JsonObject): void {
  for (const [key, value] of source) {
    if (value === null) removeKey(target, key)
    else target.set(key, cloneJson(value))
  }
}

export function setAt(target: JsonObject, path: JsonPath, source: JsonObject): void {
  target.set(path.first, changed(target.get(path.first) ?? null, path.rest, source))
}

/** `value` with the source merged in at the path; what stands in the way is replaced. */
function changed(value: Json, path: readonly PathItem[], source: JsonObject): Json {
  const [head, ...tail] = path
  if (head === undefined) {
    const target: JsonObject = value instanceof Map ? value : new Map()
    mergeInto(target, source)
    return target
  }
  if (head === 'every') return Array.isArray(value) ? value.map((item) => changed(item, tail, source)) : []
  if ('key' in head) {
    const target: JsonObject = value instanceof Map ? value : new Map()
    target.set(head.key, changed(target.get(head.key) ?? null, tail, source))
    return target
  }
  if (!Array.isArray(value)) return []
  const item = value[head.index]
  if (item !== undefined) value[head.index] = changed(item, tail, source)
  return value
}

export function removeAt(target: JsonObject, path: JsonPath): void {
  if (path.rest.length === 0) {
    removeKey(target, path.first)
    return
  }
  const value = target.get(path.first)
  if (value !== undefined) removeInside(value, path.rest)
}

function removeInside(value: Json, path: readonly PathItem[]): void {
  const [head, ...tail] = path
  if (head === undefined) return
  if (tail.length > 0) {
    for (const child of childrenOf(value, head)) removeInside(child, tail)
  } else if (head === 'every') {
    if (Array.isArray(value)) value.length = 0
  } else if ('key' in head && value instanceof Map) removeKey(value, head.key)
}

export type PayloadSelector =
  | { readonly kind: 'include'; readonly paths: readonly JsonPath[] }
  | { readonly kind: 'exclude'; readonly paths: readonly JsonPath[] }

/** The part of a payload that a selector keeps. */
export function selectPayload(payload: JsonObject, selector: PayloadSelector): JsonObject {
  const keeps = (path: JsonPath) =>
    selector.kind === 'include'
      ? selector.paths.some((wanted) => overlaps(wanted, path))
      : !selector.paths.some((unwanted) => isWithin(path, unwanted))
  const result: JsonObject = new Map()
  for (const [key, value] of payload) {
    const path = { first: key, rest: [] }
    if (keeps(path)) result.set(key, selectValue(value, path, keeps))
  }
  return result
}

function selectValue(value: Json, path: JsonPath, keeps: (path: JsonPath) => boolean): Json {
  if (Array.isArray(value)) {
    const inner: JsonPath = { first: path.first, rest: [...path.rest, 'every'] }
    return value.filter(() => keeps(inner)).map((item) => selectValue(item, inner, keeps))
  }
  if (!(value instanceof Map)) return value
  const result: JsonObject = new Map()
  for (const [key, item] of value) {
    const inner: JsonPath = { first: path.first, rest: [...path.rest, { key }] }
    if (keeps(inner)) result.set(key, selectValue(item, inner, keeps))
  }
  return result
}

const sameItem = (a: PathItem | undefined, b: PathItem | undefined) => JSON.stringify(a) === JSON.stringify(b)

/** One is the beginning of the other. */
function overlaps(a: JsonPath, b: JsonPath): boolean {
  const common = Math.min(a.rest.length, b.rest.length)
  return a.first === b.first && a.rest.slice(0, common).every((item, index) => sameItem(item, b.rest[index]))
}

/** `path` is the other path, or lies below it. */
function isWithin(path: JsonPath, other: JsonPath): boolean {
  return path.first === other.first && other.rest.every((item, index) => sameItem(item, path.rest[index]))
}
