const shut = 0
const inside = 1

/**
 * Knows whether a worker thread is inside the native runtime, and can keep it out.
 *
 * A process that ends while one of its threads is in there is aborted (SIGABRT, exit code 134): onnxruntime-node throws a C++ exception
 * when it finds its JavaScript environment gone. So whoever is about to end the process shuts the gate first.
 */
export class NativeGate {
  /** What both threads need to make the same gate. */
  readonly shared: SharedArrayBuffer
  readonly #state: Int32Array

  constructor(shared = new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared
    this.#state = new Int32Array(shared)
  }

  /** For the worker. Runs `action` inside; never answers once the gate is shut, because then nobody will hear it. */
  async pass<T>(action: () => Promise<T>): Promise<T> {
    Atomics.store(this.#state, inside, 1)
    if (Atomics.load(this.#state, shut) === 1) {
      this.#leave()
      return new Promise<T>(() => undefined)
    }
    try {
      return await action()
    } finally {
      this.#leave()
    }
  }

  get isInside(): boolean {
    return Atomics.load(this.#state, inside) === 1
  }

  /** For the main thread. Shuts the gate if the worker is outside; false when it is inside, and must not be ended by force. */
  tryShut(): boolean {
    Atomics.store(this.#state, shut, 1)
    if (!this.isInside) return true
    Atomics.store(this.#state, shut, 0)
    return false
  }

  /** For the main thread. Blocks it until the worker is outside, at most `timeoutMs`; the worker cannot enter again. */
  shut(timeoutMs: number): void {
    Atomics.store(this.#state, shut, 1)
    Atomics.wait(this.#state, inside, 1, timeoutMs)
  }

  #leave(): void {
    Atomics.store(this.#state, inside, 0)
    Atomics.notify(this.#state, inside)
  }
}
