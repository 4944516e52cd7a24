import { StreamError } from '../errors.ts'

/**
 *   created --> starting --> rebalancing <--> running
 *                  |              |              |
 *                  +--------------+--> closing --+--> closed
 *                  +--------------+--> failed (from anywhere but closed)
 */
export type RuntimeState = 'created' | 'starting' | 'rebalancing' | 'running' | 'closing' | 'closed' | 'failed'

const transitions: Readonly<Record<RuntimeState, readonly RuntimeState[]>> = {
  created: ['starting', 'closing', 'failed'],
  starting: ['rebalancing', 'closing', 'failed'],
  rebalancing: ['running', 'closing', 'failed'],
  running: ['rebalancing', 'closing', 'failed'],
  closing: ['closed', 'failed'],
  closed: [],
  failed: [],
}

export type StateListener = (to: RuntimeState, from: RuntimeState) => void

/** The state of a runtime, and who wants to know about it. */
export class Lifecycle {
  #state: RuntimeState = 'created'
  readonly #listeners = new Set<StateListener>()

  get state(): RuntimeState {
    return this.#state
  }

  /** Not on its way out. */
  get alive(): boolean {
    return this.#state !== 'closing' && this.#state !== 'closed' && this.#state !== 'failed'
  }

  onChange(listener: StateListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Repeating the present state is no change. Throws ILLEGAL_STATE for a step that the picture does not have. */
  move(to: RuntimeState): void {
    const from = this.#state
    if (from === to) return
    if (!transitions[from].includes(to))
      throw new StreamError('ILLEGAL_STATE', `a runtime cannot go from ${from} to ${to}`)
    this.#state = to
    for (const listener of this.#listeners) listener(to, from)
  }
}
