import { reasonOf, StreamError } from '../../errors.ts'
import { nearestName } from '../../nearest-name.ts'
import type { QueryableStore, Staleness, StoreQuery } from '../../runtime/views.ts'

/** What a request for entries asks for. */
export interface PageRequest {
  readonly query: StoreQuery
  /** Undefined: that of the key, or all. */
  readonly partition: number | 'all' | undefined
  readonly staleness: Staleness
  readonly limit: number
  readonly cursor: Cursor | undefined
  /** As they were given, to be sent on. */
  readonly parameters: URLSearchParams
}

/** Where a page ended, and the next one begins. */
export interface Cursor {
  readonly partition: number
  /** The last row that was looked at; undefined: the partition begins. */
  readonly after: Uint8Array | undefined
}

const defaultLimit = 100
const maxLimit = 1_000

const parameters = [
  'store',
  'key',
  'from',
  'to',
  'prefix',
  'atMs',
  'fromMs',
  'toMs',
  'partition',
  'maxBehindMs',
  'maxBehindRecords',
  'limit',
  'next',
]

/** The name of the store. Throws QUERY_INVALID when there is none, or a parameter that nobody knows. */
export function storeOf(given: URLSearchParams): string {
  for (const name of given.keys()) {
    if (!parameters.includes(name)) throw unknownParameter(name)
    if (given.getAll(name).length > 1) throw invalid(`\`${name}\` is given twice`)
  }
  const store = given.get('store')
  if (!store) throw invalid('no store is named', 'Give `store`.')
  return store
}

/** Throws QUERY_INVALID with the first parameter that cannot be read. */
export function pageRequestOf(given: URLSearchParams, store: QueryableStore): PageRequest {
  const number = (name: string, least: number, most = Number.MAX_SAFE_INTEGER) => numberIn(given, name, { least, most })
  const partition = given.get('partition')
  const key = (name: string) => keyIn(given, name, store)
  const prefix = given.get('prefix')
  return {
    query: {
      key: key('key'),
      from: key('from'),
      to: key('to'),
      prefix: prefix === null ? undefined : store.keySerde === 'bytes' ? bytesIn('prefix', prefix) : prefix,
      atMs: number('atMs', Number.MIN_SAFE_INTEGER),
      fromMs: number('fromMs', Number.MIN_SAFE_INTEGER),
      toMs: number('toMs', Number.MIN_SAFE_INTEGER),
    },
    partition: partition === 'all' ? 'all' : number('partition', 0),
    staleness: { maxBehindMs: number('maxBehindMs', 0), maxBehindRecords: number('maxBehindRecords', 0) },
    limit: number('limit', 1, maxLimit) ?? defaultLimit,
    cursor: cursorIn(given.get('next')),
    parameters: given,
  }
}

/** As `next` has it. */
export function cursorText({ partition, after }: Cursor): string {
  return `${partition}.${Buffer.from(after ?? []).toString('base64url')}`
}

/** What `cursorText` has written; undefined for anything else. */
export function cursorOf(text: string): Cursor | undefined {
  const [, partition, row = ''] = /^(\d{1,9})\.([\w-]*)$/.exec(text) ?? []
  if (partition === undefined) return undefined
  return { partition: Number(partition), after: row === '' ? undefined : Buffer.from(row, 'base64url') }
}

function cursorIn(text: string | null): Cursor | undefined {
  if (text === null) return undefined
  const cursor = cursorOf(text)
  if (!cursor) throw invalid('`next` is not what a page gave', 'Give it as it came, or leave it out.')
  return cursor
}

/** Text for keys that are text, hexadecimal for bytes, else JSON. */
function keyIn(given: URLSearchParams, name: string, { keySerde }: QueryableStore): unknown {
  const text = given.get(name)
  if (text === null) return undefined
  if (keySerde === 'string') return text
  if (keySerde === 'bytes') return bytesIn(name, text)
  try {
    return JSON.parse(text) as unknown
  } catch (cause) {
    throw invalid(`\`${name}\` is no JSON: ${reasonOf(cause)}`, `Keys of this store (${keySerde}) are given as JSON.`)
  }
}

function bytesIn(name: string, text: string): Uint8Array {
  if (/^0x(?:[\da-f]{2})*$/i.test(text)) return Buffer.from(text.slice(2), 'hex')
  throw invalid(`\`${name}\` is no bytes`, 'Give them in hexadecimal: 0x0aff.')
}

function numberIn(
  given: URLSearchParams,
  name: string,
  { least, most }: { readonly least: number; readonly most: number },
): number | undefined {
  const text = given.get(name)
  if (text === null) return undefined
  const value = /^-?\d{1,16}$/.test(text) ? Number(text) : Number.NaN
  if (value >= least && value <= most) return value
  const bounds = most === Number.MAX_SAFE_INTEGER ? '' : ` from ${least} to ${most}`
  throw invalid(`\`${name}\` is "${text.slice(0, 50)}"`, `Give a whole number${bounds}.`)
}

function unknownParameter(name: string): StreamError {
  const nearest = nearestName(name, parameters)
  const fix = nearest === undefined ? `Known are ${parameters.join(', ')}.` : `Did you mean \`${nearest}\`?`
  return invalid(`nobody knows \`${name.slice(0, 50)}\``, fix)
}

function invalid(fact: string, fix?: string): StreamError {
  return new StreamError('QUERY_INVALID', `the query cannot be read: ${fact}`, fix === undefined ? {} : { fix })
}
