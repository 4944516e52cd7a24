import type { Cancel, Clock } from '../../clock.ts'
import { type StreamError, toStreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { AnySource } from '../../topology/topology.ts'
import type { LogRecord } from '../broker.ts'

export interface PreparationOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Ends what is under way. */
  readonly signal: AbortSignal
  /** What was missing is there. */
  readonly wake: () => void
  /** Nothing of this source can be read. */
  readonly fail: (error: StreamError) => void
}

/** How long a wait may take before it is told, and how often it is told then. */
const patienceMs = 10_000

/** Gets what the serdes of a source need before its next record can be read. One record at a time: order is not to change. */
export class Preparation {
  readonly #source: AnySource
  readonly #options: PreparationOptions
  #isUnderWay = false
  #stopTelling: Cancel = () => undefined

  constructor(source: AnySource, options: PreparationOptions) {
    this.#source = source
    this.#options = options
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** True while something is missing for the record; begins to get it. */
  isNeededBy({ key, value }: LogRecord): boolean {
    if (this.#isUnderWay) return true
    const { signal } = this.#options
    // Nearly always there is nothing to do, for every record: nothing is made here.
    const forKey = (key && this.#source.key.prepare?.(key, signal)) ?? undefined
    const forValue = (value && this.#source.value.prepare?.(value, signal)) ?? undefined
    if (!forKey && !forValue) return false
    void this.#wait([forKey, forValue])
    return true
  }

  async #wait(missing: readonly (Promise<void> | undefined)[]): Promise<void> {
    const { signal, wake, fail } = this.#options
    this.#isUnderWay = true
    this.#tellLater(patienceMs)
    try {
      await Promise.all(missing)
    } catch (error) {
      // Who has failed reads nothing any more, and does not ask again.
      if (!signal.aborted) fail(toStreamError(error, 'RECORD_UNDECODABLE', 'what reading needs could not be had'))
      return
    } finally {
      this.#stopTelling()
    }
    this.#isUnderWay = false
    wake()
  }

  /** A topic that stands still for no reason that anybody sees would be looked for in the wrong place. */
  #tellLater(waitedMs: number): void {
    const { clock, logger } = this.#options
    const { topic, key, value } = this.#source
    this.#stopTelling = clock.after(patienceMs, () => {
      const serdes = [key, value].filter(({ prepare }) => prepare).map(({ name }) => name)
      logger.warn(
        { topic, waitedMs },
        `the next record waits for what its serde asks a server for (${serdes.join(', ')})`,
      )
      this.#tellLater(waitedMs + patienceMs)
    })
  }
}
