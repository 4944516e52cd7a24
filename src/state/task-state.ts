import { StreamError } from '../errors.ts'
import type { RestoredChange, StoreChange } from './changelog.ts'
import { afterPrefix, keyText } from './key-text.ts'
import { prefixBounds, type StoreReads, storePrefix } from './key-value-store.ts'
import { memoryStore } from './memory-store.ts'
import { Overlay } from './overlay.ts'
import { RecordCache } from './record-cache.ts'
import { type RowQuery, readRows, type ScannedRow } from './row-reader.ts'
import type { ByteChange, ByteStore, KeyValueStore, StateStore, StoreSpec } from './store.ts'
import { entriesOf, formatDifference, keepsTime, rawRows, type StoreEntries, storeFormats } from './store-kinds.ts'
import { timestampOf, withoutTimestamp, withTimestamp } from './timestamped.ts'

export interface TaskStateOptions {
  /** In topology order, which is the order of their changes too. */
  readonly stores: readonly StoreSpec[]
  /** Opens the place of the stores on disk. Called once, and only when there is such a store; what it opens is closed with the state. */
  readonly openDisk: () => Promise<ByteStore>
  /** Bound of the record cache that the stores share. Bytes, default 4 MiB. */
  readonly maxCacheBytes?: number
}

/** What goes to disk together with a generation. */
export interface GenerationMark {
  /** Per store, the changelog offset after the generation's last record. Stores without one keep their position. */
  readonly positions: ReadonlyMap<string, number>
  /** The source offsets up to which the stores are complete, in the caller's own encoding. */
  readonly sourceOffsets: Uint8Array
}

interface TaskStore {
  readonly spec: StoreSpec
  readonly prefix: Uint8Array
  readonly overlay: Overlay
  readonly bytes: ByteStore
  readonly entries: StoreEntries
  readonly reads: StoreReads
}

/** What there is to see of a store without looking into it. */
export interface StoreStats {
  readonly name: string
  /** Estimated memory of what waits to be persisted. */
  readonly heldBytes: number
  /** Since the state was opened. */
  readonly reads: Readonly<StoreReads>
}

const defaultMaxCacheBytes = 4 * 1024 * 1024

/**
 * Everything that one task remembers. Its stores on disk share one ByteStore, so a generation becomes durable as one batch: changes,
 * changelog positions and source offsets, all or nothing.
 *
 * @example
 * const state = await TaskState.open({ stores, openDisk: () => openLevelStore(directory) })
 * const manifests = state.view('changes', () => openGeneration)
 * await state.persist(1, { positions: new Map([['changes', 17]]), sourceOffsets })
 */
export class TaskState implements AsyncDisposable {
  readonly #stores: ReadonlyMap<string, TaskStore>
  readonly #disk: ByteStore | undefined
  readonly #memory: ByteStore
  readonly #cache: RecordCache
  readonly #positions: Map<string, number>
  #sourceOffsets: Uint8Array | undefined

  private constructor(options: TaskStateOptions, disk: ByteStore | undefined) {
    this.#disk = disk
    this.#memory = memoryStore()
    this.#cache = new RecordCache(options.maxCacheBytes ?? defaultMaxCacheBytes)
    this.#stores = new Map(options.stores.map((spec) => [spec.name, this.#taskStore(spec)]))
    this.#positions = disk ? readPositions(disk, options.stores) : new Map()
    this.#sourceOffsets = disk?.get(sourceOffsetsKey)
  }

  /** Throws STATE_FORMAT when a store on disk is of another kind or layout, and what `openDisk` throws. */
  static async open(options: TaskStateOptions): Promise<TaskState> {
    const onDisk = options.stores.filter(isOnDisk)
    if (onDisk.length === 0) return new TaskState(options, undefined)
    const disk = await options.openDisk()
    try {
      await verifyFormats(disk, onDisk)
      const state = new TaskState(options, disk)
      await state.#learn(disk)
      return state
    } catch (error) {
      await disk.close()
      throw error
    }
  }

  /**
   * A store as one node, or one record, sees it: writes go to the generation that `generation` names at that moment, reads see every
   * write of every generation. Of the kind that its spec says; one that forgets by time does it by `streamTime`. Throws STORE_UNKNOWN.
   */
  view<S extends StateStore = KeyValueStore<unknown, unknown>>(
    store: string,
    generation: () => number,
    streamTime: () => number = beforeTime,
  ): S {
    return this.#store(store).entries.view(generation, streamTime) as S
  }

  /**
   * A store to be read from outside, every write of every generation included. Row by row, so that nobody waits. Throws STORE_UNKNOWN; reading
   * on in a state that was closed is ILLEGAL_STATE.
   */
  read(store: string, query: RowQuery): AsyncIterable<ScannedRow> {
    const { spec, overlay, bytes } = this.#store(store)
    const layers = { overlay, bytes, cache: this.#cache, reads: { overlay: 0, cache: 0, bytes: 0 } }
    return readRows(spec, rawRows(spec, layers), query)
  }

  /** Estimated memory of what waits to be persisted: of one generation, or of all. */
  overlayBytes(generation?: number): number {
    return this.#all().reduce((sum, { overlay }) => sum + overlay.bytes(generation), 0)
  }

  /** Of each store, in topology order. */
  get stats(): readonly StoreStats[] {
    return this.#all().map(({ spec, overlay, reads }) => ({ name: spec.name, heldBytes: overlay.bytes(), reads }))
  }

  /** About how much each store on disk takes there; what was persisted last may not count yet. */
  async diskBytes(): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>()
    for (const { spec, prefix, bytes } of this.#all()) {
      const size = await bytes.diskBytes?.(prefix, afterPrefix(prefix) ?? prefix)
      if (size !== undefined) sizes.set(spec.name, size)
    }
    return sizes
  }

  /** For the changelogs: the last change of each key, in the order of these changes, store after store. */
  changes(generation: number): StoreChange[] {
    return this.#all()
      .filter(({ spec }) => spec.changelog ?? true)
      .flatMap(({ spec, prefix, overlay }) =>
        [...overlay.changes(generation).values()].map(({ key, bytes }) => ({
          store: spec.name,
          key: key.subarray(prefix.length),
          ...plainValue(spec, bytes),
        })),
      )
  }

  /**
   * Makes a generation durable in one batch, then forgets its overlay. From the call on the generation takes no more writes. After a
   * failure nothing is durable and the call may be repeated.
   */
  async persist(generation: number, mark: GenerationMark): Promise<void> {
    this.#seal(generation)
    await this.#disk?.write([...this.#overlayChanges(generation, this.#disk), ...this.#markChanges(mark)])
    await this.#memory.write(this.#overlayChanges(generation, this.#memory))
    // Nothing below waits: no reader sees the overlay gone and the cache still old.
    for (const [store, offset] of mark.positions) this.#positions.set(store, offset)
    this.#sourceOffsets = mark.sourceOffsets
    for (const { overlay } of this.#all()) {
      for (const [text, { bytes, value }] of overlay.changes(generation)) {
        if (bytes === null) this.#cache.delete(text)
        else this.#cache.set(text, value, bytes.length)
      }
      overlay.drop(generation)
    }
  }

  /** The topics that stores are copies of, by store. */
  get copies(): ReadonlyMap<string, string> {
    return new Map(this.#all().flatMap(({ spec }) => (spec.copyOf ? [[spec.name, spec.copyOf] as const] : [])))
  }

  /** The changelog offset up to which the store on disk is complete, or that of what it copies; undefined when unknown or in memory. */
  position(store: string): number | undefined {
    return isOnDisk(this.#store(store).spec) ? this.#positions.get(store) : undefined
  }

  /** What the last persisted generation came with; undefined before the first. */
  get sourceOffsets(): Uint8Array | undefined {
    return this.#sourceOffsets
  }

  /** Applies consecutive changelog records straight to the store, in one batch with the offset after them. */
  async restore(store: string, changes: readonly RestoredChange[], nextOffset: number): Promise<void> {
    const { prefix, bytes, spec, entries } = this.#store(store)
    const held = changes.map((change) => ({ key: change.key, value: heldValue(spec, change) }))
    const prefixed: ByteChange[] = held.map(({ key, value }) => ({ key: withPrefix(prefix, key), value }))
    if (isOnDisk(spec)) prefixed.push(positionChange(store, nextOffset))
    await bytes.write(prefixed)
    for (const change of held) entries.learn?.(change)
    // Before a task runs there is nothing in it, and key texts are not free.
    if (this.#cache.bytes > 0) for (const { key } of prefixed) this.#cache.delete(keyText(key))
    this.#positions.set(store, nextOffset)
  }

  /** Forgets everything, for a restore from the start. Only while no generation holds writes. */
  async wipe(): Promise<void> {
    if (this.overlayBytes() > 0)
      throw new StreamError('ILLEGAL_STATE', 'the state was wiped while a generation was open')
    const specs = this.#all().map(({ spec }) => spec)
    // The positions go first: a crash in between must not leave a store that claims to be complete.
    await this.#disk?.write([
      ...specs.map(({ name }) => ({ key: positionKey(name), value: null })),
      { key: sourceOffsetsKey, value: null },
    ])
    await this.#disk?.clear()
    await this.#memory.clear()
    this.#cache.clear()
    for (const { entries } of this.#all()) entries.forget?.()
    this.#positions.clear()
    this.#sourceOffsets = undefined
    if (this.#disk) await verifyFormats(this.#disk, specs.filter(isOnDisk))
  }

  /** Drops what was not persisted. */
  async close(): Promise<void> {
    await this.#memory.close()
    await this.#disk?.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #taskStore(spec: StoreSpec): TaskStore {
    const overlay = new Overlay()
    const bytes = this.#disk && isOnDisk(spec) ? this.#disk : this.#memory
    const reads: StoreReads = { overlay: 0, cache: 0, bytes: 0 }
    const entries = entriesOf(spec, { overlay, cache: this.#cache, bytes, reads })
    return { spec, prefix: storePrefix(spec.name), overlay, bytes, entries, reads }
  }

  /** What lies on disk, to the stores that index it. */
  async #learn(disk: ByteStore): Promise<void> {
    for (const { prefix, bytes, entries } of this.#all()) {
      if (!entries.learn || bytes !== disk) continue
      for await (const [key, value] of disk.range(prefixBounds(prefix))) {
        entries.learn({ key: key.subarray(prefix.length), value })
      }
    }
  }

  #all(): TaskStore[] {
    return [...this.#stores.values()]
  }

  #store(name: string): TaskStore {
    const store = this.#stores.get(name)
    if (!store) throw new StreamError('STORE_UNKNOWN', `the task has no store "${name}"`, { details: { store: name } })
    return store
  }

  #seal(generation: number): void {
    for (const { overlay } of this.#all()) {
      if (overlay.oldest !== undefined && overlay.oldest < generation) {
        throw new StreamError(
          'ILLEGAL_STATE',
          `generation ${generation} was persisted before generation ${overlay.oldest}`,
        )
      }
    }
    for (const { overlay } of this.#all()) overlay.seal(generation)
  }

  #overlayChanges(generation: number, bytes: ByteStore): ByteChange[] {
    return this.#all()
      .filter((store) => store.bytes === bytes)
      .flatMap(({ overlay }) =>
        [...overlay.changes(generation).values()].map((entry) => ({ key: entry.key, value: entry.bytes })),
      )
  }

  #markChanges({ positions, sourceOffsets }: GenerationMark): ByteChange[] {
    const onDisk = [...positions].filter(([store]) => isOnDisk(this.#store(store).spec))
    return [
      ...onDisk.map(([store, offset]) => positionChange(store, offset)),
      { key: sourceOffsetsKey, value: sourceOffsets },
    ]
  }
}

function beforeTime(): number {
  return -1
}

function withPrefix(prefix: Uint8Array, key: Uint8Array): Uint8Array {
  const prefixed = Buffer.allocUnsafe(prefix.length + key.length)
  prefixed.set(prefix)
  prefixed.set(key, prefix.length)
  return prefixed
}

/** Changelogs have plain values, under the time that the store keeps beside them. */
function plainValue(spec: StoreSpec, bytes: Uint8Array | null): Pick<StoreChange, 'value' | 'timestamp'> {
  if (bytes === null || !keepsTime(spec)) return { value: bytes }
  return { value: withoutTimestamp(bytes), timestamp: timestampOf(bytes) }
}

function heldValue(spec: StoreSpec, { value, timestamp }: RestoredChange): Uint8Array | null {
  return value === null || !keepsTime(spec) ? value : withTimestamp(value, timestamp)
}

function isOnDisk(spec: StoreSpec): boolean {
  return spec.storage !== 'memory'
}

/** Records about the stores lie before the stores: no store name starts with a zero byte. */
function metaKey(...parts: string[]): Uint8Array {
  return Buffer.from(parts.map((part) => `\0${part}`).join(''))
}

const sourceOffsetsKey = metaKey('source-offsets')

function positionKey(store: string): Uint8Array {
  return metaKey('position', store)
}

function positionChange(store: string, offset: number): ByteChange {
  return { key: positionKey(store), value: Buffer.from(String(offset)) }
}

function readPositions(disk: ByteStore, stores: readonly StoreSpec[]): Map<string, number> {
  const positions = new Map<string, number>()
  for (const { name } of stores) {
    const stored = disk.get(positionKey(name))
    if (stored) positions.set(name, Number(Buffer.from(stored).toString()))
  }
  return positions
}

async function verifyFormats(disk: ByteStore, stores: readonly StoreSpec[]): Promise<void> {
  const added: ByteChange[] = []
  for (const { name, kind } of stores) {
    const expected = storeFormats[kind]
    const key = metaKey('format', name)
    const found = disk.get(key)?.[0]
    if (found === undefined) added.push({ key, value: Uint8Array.of(expected) })
    else if (found !== expected) {
      throw new StreamError('STATE_FORMAT', `store "${name}" ${formatDifference(found, kind)}`, {
        fix: 'Give a store of another kind another name, or run the version that wrote it.',
      })
    }
  }
  await disk.write(added)
}
