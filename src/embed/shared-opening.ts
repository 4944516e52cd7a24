import { StreamError } from '../errors.ts'

/** Something that was opened, and knows how to close itself. */
interface Opened {
  close(): Promise<void>
}

/** Opens something once for all of its users, and closes it when the last of them has closed it. It can be opened again then. */
export class SharedOpening<T extends Opened> {
  readonly #name: string
  readonly #open: () => Promise<T>
  #users = 0
  #opening: Promise<T> | undefined
  #closing: Promise<void> = Promise.resolve()
  #opened: T | undefined

  /** `name` says in errors what is not open. */
  constructor(name: string, open: () => Promise<T>) {
    this.#name = name
    this.#open = open
  }

  /** What is open; throws ILLEGAL_STATE when it is not. */
  get opened(): T {
    if (this.#opening === undefined) throw this.#notOpen()
    return this.known
  }

  /** What was opened last, also when it has been closed since; throws ILLEGAL_STATE when nothing was. */
  get known(): T {
    if (!this.#opened) throw this.#notOpen()
    return this.#opened
  }

  async open(): Promise<void> {
    this.#users++
    this.#opening ??= this.#closing.catch(() => undefined).then(this.#open)
    const opening = this.#opening
    try {
      const opened = await opening
      if (this.#opening === opening) this.#opened = opened
    } catch (error) {
      // Whoever has closed it meanwhile counts no more, nor do those who share what failed.
      if (this.#opening === opening) {
        this.#opening = undefined
        this.#users = 0
      }
      throw error
    }
  }

  /** Closing once more than it was opened does nothing. */
  async close(): Promise<void> {
    if (this.#users === 0 || --this.#users > 0) return
    const opening = this.#opening
    this.#opening = undefined
    this.#closing = closeWhenOpen(opening)
    await this.#closing
  }

  #notOpen(): StreamError {
    return new StreamError('ILLEGAL_STATE', `${this.#name} is not open`, { fix: 'Open it before use.' })
  }
}

async function closeWhenOpen(opening: Promise<Opened> | undefined): Promise<void> {
  const opened = await opening?.catch(() => undefined)
  await opened?.close()
}
