import { memoryStore } from '../../src/state/memory-store.ts'
import type { ByteChange, ByteEntry, ByteRange, ByteStore } from '../../src/state/store.ts'

/**
 * Stands in for `classic-level` (see main.ts): stores that outlive the process that wrote them, at the speed of memory and always in the
 * same order of events. The code of src above it is the real one.
 */

const databases = new Map<string, ByteStore>()
const files = new Map<string, string>()
const held = new Map<string, ClassicLevel>()
const dead = new Set<string>()

/** Empties the disk. */
export function format(): void {
  databases.clear()
  files.clear()
  held.clear()
  dead.clear()
}

/** The folder of one process: what is after `#` in its name is not part of the place, so that the next process finds what it left. */
export function folderOf(name: string, process: number): string {
  return `/nowhere/${name}#${process}`
}

/** The process that used this folder is dead: it writes nothing more, and its locks are gone. */
export function abandon(folder: string): void {
  dead.add(folder)
  for (const level of held.values()) if (isInside(level.location, folder)) level.abandon()
}

export function remove(folder: string): void {
  const place = placeOf(folder)
  for (const names of [databases, files]) {
    for (const name of names.keys()) if (isInside(name, place)) names.delete(name)
  }
}

/** The part of node:fs/promises that src/state uses, on the same disk, which needs no folders. */
export const mkdir = async (): Promise<void> => undefined
export const rmdir = async (): Promise<void> => undefined
export const readdir = async (folder: string): Promise<string[]> => {
  const place = placeOf(folder)
  const inside = [...databases.keys(), ...files.keys()].filter((name) => isInside(name, place))
  return [...new Set(inside.map((name) => name.slice(place.length + 1).split('/')[0] ?? ''))]
}
export const readFile = async (name: string): Promise<string> => {
  const text = files.get(placeOf(name))
  if (text === undefined) throw Object.assign(new Error(`ENOENT: ${name}`), { code: 'ENOENT' })
  return text
}
export const writeFile = async (name: string, text: string): Promise<void> => void files.set(placeOf(name), text)
export const rm = async (folder: string): Promise<void> => remove(folder)

function placeOf(name: string): string {
  return name.replace(/#\d+/, '')
}

function isInside(name: string, folder: string): boolean {
  return name === folder || name.startsWith(`${folder}/`)
}

interface Operation {
  readonly type: 'put' | 'del'
  readonly key: Uint8Array
  readonly value?: Uint8Array
}

export class ClassicLevel {
  readonly location: string
  #store: ByteStore | undefined
  #isDead = false

  constructor(location: string) {
    this.location = location
  }

  async open(): Promise<void> {
    const place = placeOf(this.location)
    if (dead.values().some((folder) => isInside(this.location, folder))) throw failure('PROCESS_DEAD')
    if (held.has(place)) throw failure('LEVEL_LOCKED')
    held.set(place, this)
    const store = databases.get(place) ?? memoryStore()
    databases.set(place, store)
    this.#store = store
  }

  async close(): Promise<void> {
    this.#release()
  }

  /** Whatever the dead process still asks for has no effect, and it does not hear of it. */
  abandon(): void {
    this.#isDead = true
    this.#release()
  }

  #release(): void {
    const place = placeOf(this.location)
    if (held.get(place) === this) held.delete(place)
    this.#store = undefined
  }

  getSync(key: Uint8Array): Uint8Array | undefined {
    return this.#isDead ? undefined : this.#opened.get(key)
  }

  async batch(operations: readonly Operation[]): Promise<void> {
    if (this.#isDead) return
    await this.#opened.write(operations.map(({ key, value = null }): ByteChange => ({ key, value })))
  }

  async clear(range: ByteRange): Promise<void> {
    await this.#opened.clear(range)
  }

  iterator(range: ByteRange) {
    const entries = this.#opened.range(range)[Symbol.asyncIterator]()
    return {
      async nextv(size: number): Promise<ByteEntry[]> {
        const found: ByteEntry[] = []
        while (found.length < size) {
          const { done, value } = await entries.next()
          if (done) break
          found.push(value)
        }
        return found
      },
      async close(): Promise<void> {
        await entries.return?.()
      },
    }
  }

  get #opened(): ByteStore {
    if (this.#store) return this.#store
    throw failure('LEVEL_DATABASE_NOT_OPEN')
  }
}

function failure(code: string): Error {
  return Object.assign(new Error(code), { code })
}
