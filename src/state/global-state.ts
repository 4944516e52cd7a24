import { StreamError } from '../errors.ts'
import type { RestoredChange } from './changelog.ts'
import { keyText } from './key-text.ts'
import { KeyValueEntries, prefixBounds, storePrefix } from './key-value-store.ts'
import { memoryStore } from './memory-store.ts'
import { Overlay } from './overlay.ts'
import { RecordCache } from './record-cache.ts'
import { type RawRows, type RowQuery, readRows, type ScannedRow } from './row-reader.ts'
import type { ByteChange, ByteStore, ReadOnlyKeyValueStore, StoreSpec, Timestamped } from './store.ts'
import { rawRows } from './store-kinds.ts'
import { timestamped, withTimestamp } from './timestamped.ts'

export interface GlobalStateOptions {
  readonly stores: readonly StoreSpec[]
  /** Opens the place of the stores on disk. Called once, and only when there is such a store; what it opens is closed with the state. */
  readonly openDisk: () => Promise<ByteStore>
}

/** The rows of a global table as any node reads them. */
export type GlobalStore = ReadOnlyKeyValueStore<unknown, Timestamped<unknown>>

interface Rows {
  readonly spec: StoreSpec
  readonly prefix: Uint8Array
  readonly bytes: ByteStore
  readonly view: GlobalStore
  readonly raw: RawRows
}

/** Decoded rows of all stores. */
const maxCacheBytes = 4 * 1024 * 1024

/** Written beside the rows: another layout gets another number. */
const format = '1'

/**
 * The rows of the global tables of an instance. Each batch of a partition is written together with the position after it, so that whatever
 * ends the process, the next one goes on there.
 *
 * @example
 * const state = await GlobalState.open({ stores: [spec], openDisk: () => openLevelStore(directory) })
 * await state.write({ store: 'countries', topic: 'countries', partition: 0 }, changes, 17)
 * state.view('countries').get('ch')
 */
export class GlobalState implements AsyncDisposable {
  readonly #stores: ReadonlyMap<string, Rows>
  readonly #opened: readonly ByteStore[]
  readonly #cache = new RecordCache(maxCacheBytes)

  private constructor(stores: readonly StoreSpec[], disk: ByteStore | undefined) {
    const memory = memoryStore()
    this.#opened = disk ? [memory, disk] : [memory]
    this.#stores = new Map(
      stores.map((spec) => [spec.name, this.#rowsOf(spec, disk && isOnDisk(spec) ? disk : memory)]),
    )
  }

  /** Throws STATE_FORMAT when another version wrote what is on disk, and what `openDisk` throws. */
  static async open({ stores, openDisk }: GlobalStateOptions): Promise<GlobalState> {
    if (!stores.some(isOnDisk)) return new GlobalState(stores, undefined)
    const disk = await openDisk()
    try {
      await requireFormat(disk)
      return new GlobalState(stores, disk)
    } catch (error) {
      await disk.close()
      throw error
    }
  }

  /** A store to read; undefined when there is none of that name. Writing to it is ILLEGAL_STATE. */
  view(store: string): GlobalStore | undefined {
    return this.#stores.get(store)?.view
  }

  /** A store to be read from outside, row by row. Throws STORE_UNKNOWN. */
  read(store: string, query: RowQuery): AsyncIterable<ScannedRow> {
    const { spec, raw } = this.#rows(store)
    return readRows(spec, raw, query)
  }

  /** The offset up to which a partition is in the store; undefined before its first batch. */
  position(place: GlobalPlace): number | undefined {
    const stored = this.#rows(place.store).bytes.get(positionKey(place))
    return stored && Number(Buffer.from(stored).toString())
  }

  /** Applies consecutive records of a partition, in one batch with the offset after them. */
  async write(place: GlobalPlace, changes: readonly RestoredChange[], nextOffset: number): Promise<void> {
    const { prefix, bytes } = this.#rows(place.store)
    const rows = changes.map(
      ({ key, value, timestamp }): ByteChange => ({
        key: Buffer.concat([prefix, key]),
        value: value && withTimestamp(value, timestamp),
      }),
    )
    await bytes.write([...rows, { key: positionKey(place), value: Buffer.from(String(nextOffset)) }])
    for (const { key } of rows) this.#cache.delete(keyText(key))
  }

  /** Forgets the rows of a store and its positions. */
  async wipe(store: string): Promise<void> {
    const { prefix, bytes } = this.#rows(store)
    const positions: ByteChange[] = []
    for await (const [key] of bytes.range(prefixBounds(positionPrefix(store)))) positions.push({ key, value: null })
    // They go first, and at once, which `clear` does not promise: no crash may leave a store that claims to be complete.
    await bytes.write(positions)
    await bytes.clear(prefixBounds(prefix))
    this.#cache.clear()
  }

  async close(): Promise<void> {
    for (const bytes of this.#opened) await bytes.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #rowsOf(spec: StoreSpec, bytes: ByteStore): Rows {
    const layers = { overlay: new Overlay(), cache: this.#cache, bytes, reads: { overlay: 0, cache: 0, bytes: 0 } }
    const entries = new KeyValueEntries({ ...spec, kind: 'key-value', value: timestamped(spec.value) }, layers)
    const view = entries.view(() => refuseWrite(spec.name))
    return { spec, prefix: storePrefix(spec.name), bytes, view, raw: rawRows(spec, layers) }
  }

  #rows(store: string): Rows {
    const rows = this.#stores.get(store)
    if (rows) return rows
    throw new StreamError('STORE_UNKNOWN', `there is no global table "${store}"`, { details: { store } })
  }
}

/** One partition of the topic of a global table. A table that is given another topic has no position in it. */
export interface GlobalPlace {
  readonly store: string
  readonly topic: string
  readonly partition: number
}

function refuseWrite(store: string): never {
  throw new StreamError('ILLEGAL_STATE', `a step writes to the global table "${store}"`, {
    fix: 'Write to the topic of the table: every instance reads it.',
  })
}

function isOnDisk(spec: StoreSpec): boolean {
  return spec.storage !== 'memory'
}

/** Records about the stores lie before the stores: no store name starts with a zero byte. */
const formatKey = Buffer.from('\0format')

function positionPrefix(store: string): Uint8Array {
  return Buffer.from(`\0position\0${store}\0`)
}

function positionKey({ store, topic, partition }: GlobalPlace): Uint8Array {
  return Buffer.from(`\0position\0${store}\0${topic}\0${partition}`)
}

async function requireFormat(disk: ByteStore): Promise<void> {
  const stored = disk.get(formatKey)
  const found = stored && Buffer.from(stored).toString()
  if (found === format) return
  if (found === undefined) return disk.write([{ key: formatKey, value: Buffer.from(format) }])
  throw new StreamError('STATE_FORMAT', `the global tables have format ${found} on disk; this version reads ${format}`)
}
