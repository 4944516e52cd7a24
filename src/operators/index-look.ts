import type { DocumentKey, PointRef } from '../model.ts'
import type { VectorIndex } from '../topology/processor.ts'

interface Asked {
  readonly answer: PromiseWithResolvers<readonly PointRef[]>
  /** Some who asked are still waiting. */
  waiting: number
}

const keysAtOnce = 100
const readsAtOnce = 4

/**
 * Asks an index what it holds of single documents, many of them with one read: those that are asked for while the reads before are under
 * way.
 */
export class IndexLook {
  readonly #index: VectorIndex
  #next = new Map<DocumentKey, Asked>()
  #reading = 0

  constructor(index: VectorIndex) {
    this.#index = index
  }

  /** What the index holds of a document. Rejects with what the index throws, and with the signal's reason when it aborts. */
  async of(key: DocumentKey, signal: AbortSignal): Promise<readonly PointRef[]> {
    signal.throwIfAborted()
    const asked = this.#next.get(key) ?? { answer: Promise.withResolvers(), waiting: 0 }
    this.#next.set(key, asked)
    asked.waiting++
    asked.answer.promise.catch(() => undefined)
    // What is asked for in the same turn shares a read.
    setImmediate(() => void this.#read())
    const { promise, reject } = Promise.withResolvers<never>()
    const giveUp = () => {
      asked.waiting--
      reject(signal.reason)
    }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      return await Promise.race([asked.answer.promise, promise])
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  async #read(): Promise<void> {
    while (this.#reading < readsAtOnce && this.#next.size > 0) {
      this.#reading++
      await this.#readOnce(this.#take())
      this.#reading--
    }
  }

  async #readOnce(asked: ReadonlyMap<DocumentKey, Asked>): Promise<void> {
    if (asked.size === 0) return
    try {
      const found = await this.#index.observe([...asked.keys()])
      for (const [key, { answer }] of asked) answer.resolve(found.get(key) ?? [])
    } catch (error) {
      for (const { answer } of asked.values()) answer.reject(error)
    }
  }

  /** Whom nobody waits for any more is not looked for. */
  #take(): Map<DocumentKey, Asked> {
    const all = [...this.#next]
    this.#next = new Map(all.slice(keysAtOnce))
    return new Map(all.slice(0, keysAtOnce).filter(([, { waiting }]) => waiting > 0))
  }
}
