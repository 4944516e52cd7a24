import { StreamError } from '../../errors.ts'
import type { ByteChange, ByteStore } from '../../state/store.ts'

/** More than this goes into no batch, except a single write that is larger by itself. */
const batchBytes = 4 * 1024 * 1024
/** Writes that nobody waits for would fill the memory. */
const pendingBytes = 128 * 1024 * 1024

interface Write {
  readonly changes: readonly ByteChange[]
  readonly bytes: number
  readonly done: PromiseWithResolvers<void>
}

/**
 * The one writer of a store. While a batch is being written the next one collects, so that many small writes cost as much as a few
 * large ones. Writes reach the disk in the order of the calls, each whole or not at all, and stay there when the power goes: the index
 * must never know of more than the log.
 */
export class GroupCommit {
  readonly #store: ByteStore
  #queue: Write[] = []
  #pendingBytes = 0
  #flushing: Promise<void> | undefined

  constructor(store: ByteStore) {
    this.#store = store
  }

  /** Resolves when the changes and all earlier ones are in the store; without changes it only waits for those. */
  write(changes: readonly ByteChange[]): Promise<void> {
    const bytes = changes.reduce((sum, { key, value }) => sum + key.length + (value?.length ?? 0), 0)
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > pendingBytes) return Promise.reject(overload())
    const write: Write = { changes, bytes, done: Promise.withResolvers() }
    this.#queue.push(write)
    this.#pendingBytes += bytes
    this.#flushing ??= this.#flush()
    return write.done.promise
  }

  async #flush(): Promise<void> {
    // One turn of the microtask queue lets all sends of the same moment into the first batch.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      const batch = this.#take()
      const changes = batch.flatMap((write) => write.changes)
      try {
        if (changes.length > 0) await this.#store.write(changes, { sync: true })
        for (const write of batch) write.done.resolve()
      } catch (error) {
        for (const write of batch) write.done.reject(error)
      }
      for (const write of batch) this.#pendingBytes -= write.bytes
    }
    this.#flushing = undefined
  }

  #take(): Write[] {
    let bytes = 0
    let count = 0
    for (const write of this.#queue) {
      bytes += write.bytes
      if (count > 0 && bytes > batchBytes) break
      count++
    }
    return this.#queue.splice(0, count)
  }
}

function overload(): StreamError {
  const limit = `${pendingBytes / 1024 / 1024} MiB`
  return new StreamError('PRODUCE_FAILED', `more than ${limit} are waiting to be written to the embedded log`, {
    fix: 'Wait for earlier sends before sending more.',
  })
}
