import { hash } from 'node:crypto'
import { join } from 'node:path'
import { openLevelStore } from '../../state/level-store.ts'
import type { ByteStore } from '../../state/store.ts'

/** What is known of a text: half of a SHA-256, which no two texts have in common by chance. */
const hashBytes = 16
/** About 10 MB of memory. */
const defaultMaxInMemory = 100_000
const nothing = Buffer.alloc(0)

/** Counts different texts. So many are remembered in memory; when there are more, on disk. */
export class DistinctTexts implements AsyncDisposable {
  count = 0
  readonly #folder: string
  readonly #maxInMemory: number
  #recent = new Set<string>()
  #store: ByteStore | undefined
  #spilling: Promise<void> | undefined

  /** Makes nothing in the folder as long as memory does. */
  constructor(folder: string, { maxInMemory = defaultMaxInMemory }: { readonly maxInMemory?: number } = {}) {
    this.#folder = folder
    this.#maxInMemory = maxInMemory
  }

  async add(text: string): Promise<void> {
    while (this.#spilling) await this.#spilling
    const key = hash('sha256', text, 'buffer').subarray(0, hashBytes)
    const name = key.toString('latin1')
    if (this.#recent.has(name) || this.#store?.get(key) !== undefined) return
    this.#recent.add(name)
    this.count++
    if (this.#recent.size < this.#maxInMemory) return
    this.#spilling = this.#spill().finally(() => {
      this.#spilling = undefined
    })
    await this.#spilling
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#spilling?.catch(() => undefined)
    await this.#store?.close()
  }

  async #spill(): Promise<void> {
    this.#store ??= await openLevelStore(join(this.#folder, 'texts'))
    await this.#store.write([...this.#recent].map((name) => ({ key: Buffer.from(name, 'latin1'), value: nothing })))
    this.#recent = new Set()
  }
}
