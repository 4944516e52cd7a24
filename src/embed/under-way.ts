/** What one record has given to the embedder. */
interface Share {
  readonly texts: number
  /** Resolves when their vectors are in the index, or will never be. */
  readonly settled: Promise<void>
}

interface Waiting {
  readonly share: Share
  readonly admit: () => void
}

/**
 * Bounds the texts that an embedder was given and whose vectors are not in the index yet: a crash costs no more than to embed these again,
 * however long the index has not answered. A share of more than half the bound does not count: of these two are under way at a time, beside
 * the others, which do not wait for them.
 */
export class TextsUnderWay {
  readonly #limit: number
  readonly #usual: Lane
  readonly #large = new Lane(2)

  constructor(limit: number) {
    this.#limit = limit
    this.#usual = new Lane(limit)
  }

  /** Resolves when there is room for the share, which takes it until it is settled. Rejects with the signal's reason when it aborts. */
  enter(share: Share, signal: AbortSignal): Promise<void> {
    const isLarge = 2 * share.texts > this.#limit
    return isLarge ? this.#large.enter({ ...share, texts: 1 }, signal) : this.#usual.enter(share, signal)
  }
}

/**
 * Who comes first enters first; no share is larger than the bound. What a later one has overtaken does not count any more: the index
 * answers, and one document that it does not take holds nobody up.
 */
class Lane {
  readonly #limit: number
  /** In the order in which they entered. */
  readonly #counted = new Set<Share>()
  readonly #waiting = new Set<Waiting>()
  #texts = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  async enter(share: Share, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (this.#waiting.size > 0 || !this.#hasRoomFor(share)) await this.#wait(share, signal)
    else this.#take(share)
  }

  async #wait(share: Share, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const waiting = { share, admit: resolve }
    const giveUp = () => {
      this.#waiting.delete(waiting)
      reject(signal.reason)
      this.#admit()
    }
    this.#waiting.add(waiting)
    signal.addEventListener('abort', giveUp, { once: true })
    await promise.finally(() => signal.removeEventListener('abort', giveUp))
  }

  #hasRoomFor({ texts }: Share): boolean {
    return this.#texts + texts <= this.#limit
  }

  #take(share: Share): void {
    this.#counted.add(share)
    this.#texts += share.texts
    void share.settled.then(() => this.#leave(share))
  }

  #leave(share: Share): void {
    if (!this.#counted.has(share)) return
    for (const earlier of this.#counted) {
      this.#counted.delete(earlier)
      this.#texts -= earlier.texts
      if (earlier === share) break
    }
    this.#admit()
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.#hasRoomFor(waiting.share)) return
      this.#waiting.delete(waiting)
      this.#take(waiting.share)
      waiting.admit()
    }
  }
}
