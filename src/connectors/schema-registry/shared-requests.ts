interface Flight<T> {
  readonly answer: Promise<T>
  readonly controller: AbortController
  waiters: number
}

/** Asks once for what several callers wait for, and calls it off when the last of them has gone. */
export class SharedRequests<Key, T> {
  readonly #flights = new Map<Key, Flight<T>>()

  /** Rejects with the reason of the caller's own signal when that aborts first. */
  async join(key: Key, signal: AbortSignal, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    signal.throwIfAborted()
    const flight = this.#flights.get(key) ?? this.#start(key, ask)
    flight.waiters++
    const aborted = Promise.withResolvers<never>()
    const abort = () => aborted.reject(signal.reason)
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await Promise.race([flight.answer, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
      if (--flight.waiters === 0) this.#end(key, flight)
    }
  }

  #start(key: Key, ask: (signal: AbortSignal) => Promise<T>): Flight<T> {
    const controller = new AbortController()
    const flight: Flight<T> = { answer: ask(controller.signal), controller, waiters: 0 }
    // Nobody may be there any more to hear of it.
    flight.answer.catch(() => undefined)
    this.#flights.set(key, flight)
    return flight
  }

  #end(key: Key, flight: Flight<T>): void {
    if (this.#flights.get(key) === flight) this.#flights.delete(key)
    flight.controller.abort()
  }
}
