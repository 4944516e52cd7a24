import type { Clock } from '../../clock.ts'
import type { CacheBudget } from './held-results.ts'
import type { NodeGraph } from './node-graph.ts'
import type { Progress } from './progress.ts'

export interface HeldSenderOptions {
  readonly clock: Clock
  readonly cacheBudget: CacheBudget
  readonly graph: Pick<NodeGraph, 'sendHeld' | 'release' | 'flush'>
  readonly progress: Pick<Progress, 'trackResult'>
  /** There may be something to do. */
  readonly wake: () => void
}

/** How long it works for a cut before others have their turn. */
const sliceMs = 5

/**
 * Lets out what the nodes of a task hold back. A full cache is tens of thousands of results, so it works in slices. In between the event loop has
 * its turn, and the task takes nothing: else it might never come to an end.
 */
export class HeldSender {
  readonly #options: HeldSenderOptions
  #isSending = false

  constructor(options: HeldSenderOptions) {
    this.#options = options
  }

  /** What was begun is not at its end. */
  get isSending(): boolean {
    return this.#isSending
  }

  /** Results belong to the open generation, as do the records that they were made of. True: nothing is left; else call it again. */
  send(until: number): boolean {
    const { clock, graph, progress } = this.#options
    let sent = 0
    const mayGoOn = (): boolean => ++sent % 16 !== 0 || clock.now() < until
    this.#isSending = !graph.sendHeld((origin) => progress.trackResult(origin), mayGoOn)
    return !this.#isSending
  }

  /** The instance holds more than it may. */
  get isOverBudget(): boolean {
    return this.#options.cacheBudget.isOver
  }

  /** True: the generation may be cut, because everything is on its way. `whole`: it is, however long that takes. */
  beforeCut(whole: boolean): boolean {
    const { clock, graph, wake } = this.#options
    const isDone = this.send(whole ? Number.POSITIVE_INFINITY : clock.now() + sliceMs)
    if (!isDone) wake()
    // Gates may hold back what has just come to them, and writers wait for more of it.
    graph.release()
    graph.flush()
    return isDone
  }
}
