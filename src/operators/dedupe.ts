import { hash } from 'node:crypto'
import { StreamError } from '../errors.ts'
import type { StreamRecord } from '../record.ts'
import { bytes, msgpack, type Serde, textKeys } from '../serde.ts'
import type { KeyValueStore } from '../state/store.ts'
import type { ProcessorContext, ProcessorSupplier } from '../topology/processor.ts'
import { sameBytes } from './same-bytes.ts'

export interface DedupeOptions<K, V> {
  /**
   * What counts as the content of a record; default: the whole value. The order of keys inside objects, of entries of a Map and of members
   * of a Set does not matter. Objects of other classes are refused with RECORD_UNENCODABLE: what is inside of them cannot be seen.
   */
  readonly content?: (value: V) => unknown
  /** Serde of the key in the store; default UTF-8 text, for keys that are strings. */
  readonly key?: Serde<K>
}

/**
 * Drops a record whose content equals the last one of its key: an unchanged document costs a hash, and nothing behind it. A tombstone
 * of an unknown key is dropped as well.
 *
 * Remembers 16 bytes a key in the store `name`. While a task is recovering every record passes: what a crashed instance did with later
 * versions can only be seen in the target.
 *
 * @example
 * documents.process(dedupe('unchanged'))
 */
export function dedupe<K, V>(name: string, options: DedupeOptions<K, V> = {}): ProcessorSupplier<K, V, K, V> {
  const content = options.content ?? ((value: V): unknown => value)
  const key = options.key ?? textKeys<K>()
  return {
    name,
    operator: 'dedupe',
    stores: [{ kind: 'key-value', name, key, value: bytes }],
    create: () => ({
      process(record, context) {
        const store = context.store<KeyValueStore<K, Uint8Array>>(name)
        if (record.value === null) return forget(record, store, context)
        const digest = digestOf(content(record.value), context.maintainsIndex ? context.pipeline : '')
        const known = store.get(record.key)
        if (known !== undefined && sameBytes(known, digest) && !context.recovering) return
        store.put(record.key, digest)
        context.forward(record)
      },
      // Known, but equal to nothing: the same content may come again, and a tombstone still has something to delete.
      takeBack(record, context) {
        context.store<KeyValueStore<K, Uint8Array>>(name).put(record.key, unclear)
      },
    }),
  }
}

function forget<K, V>(
  record: StreamRecord<K, V>,
  store: KeyValueStore<K, Uint8Array>,
  context: ProcessorContext<K, V>,
): void {
  if (store.get(record.key) === undefined && !context.recovering) return
  store.delete(record.key)
  context.forward(record)
}

const unclear = new Uint8Array(0)
const serde = msgpack<unknown>()

/** Under another pipeline (model, chunker) the same content is worth another look: its points have to be made anew. */
function digestOf(value: unknown, pipeline: string): Uint8Array {
  const encoded = serde.serialize([pipeline, sorted(value)])
  return hash('sha256', encoded, 'buffer').subarray(0, 16)
}

/** Two spellings of the same content become equal, different contents stay different. */
function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value) || value instanceof Date) return value
  if (Array.isArray(value)) return value.map(sorted)
  if (value instanceof Map) return [mapMark, inOrder([...value].map(sorted))]
  if (value instanceof Set) return [setMark, inOrder([...value].map(sorted))]
  if (value instanceof ArrayBuffer || value instanceof SharedArrayBuffer) return new Uint8Array(value)
  if (!isPlain(value)) throw opaque(value)
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, inner]) => [key, sorted(inner)]))
}

/** No text of a user's content: a Map is not equal to an array of its entries. */
const mapMark = '\u0000map'
const setMark = '\u0000set'

function inOrder(values: readonly unknown[]): Uint8Array[] {
  return values.map((value) => serde.serialize(value)).sort(Buffer.compare)
}

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value)
  // An object of another realm (node:vm, a test runner) has another Object.prototype.
  return prototype === null || Object.getPrototypeOf(prototype) === null
}

function opaque(value: object): StreamError {
  const name = value.constructor?.name || 'an unknown class'
  return new StreamError('RECORD_UNENCODABLE', `the content has an object of ${name}, which cannot be compared`, {
    fix: 'Give `content` a function that returns plain data.',
  })
}
