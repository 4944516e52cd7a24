import type { Cancel, Clock } from '../../clock.ts'
import { reasonOf } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { type CleaningTask, compact, isWorthCompacting } from './compaction.ts'
import type { EmbeddedLog } from './log.ts'
import type { Partition } from './partition.ts'
import { expire, removeBefore, retentionMsOf } from './retention.ts'

export interface CleanerOptions {
  readonly clock: Clock
  readonly logger: Logger
  /** Milliseconds between two looks at the log. */
  readonly intervalMs: number
}

/** Compacts and expires in the background: one partition at a time, in slices with turns of the event loop between them. */
export class Cleaner {
  readonly #log: EmbeddedLog
  readonly #options: CleanerOptions
  readonly #abort = new AbortController()
  #work: Promise<void> = Promise.resolve()
  #cancel: Cancel | undefined

  constructor(log: EmbeddedLog, options: CleanerOptions) {
    this.#log = log
    this.#options = options
    this.#schedule()
  }

  /** Compacts the partitions now, however little there is to gain. */
  compact(partitions: readonly Partition[]): Promise<void> {
    return this.#enqueue(async () => {
      for (const partition of partitions) await compact(this.#task(partition))
    })
  }

  /** Runs something while nothing is cleaned. */
  pausing(action: () => Promise<void>): Promise<void> {
    return this.#enqueue(action)
  }

  /** Removes the records in front of an offset, which must not be above the last stable one. */
  removeBefore(partition: Partition, offset: number): Promise<void> {
    return this.#enqueue(() => removeBefore(this.#task(partition), offset))
  }

  /** Waits for the slice that is being worked on. */
  async stop(): Promise<void> {
    this.#cancel?.()
    this.#abort.abort()
    await this.#work
  }

  #schedule(): void {
    if (this.#abort.signal.aborted) return
    this.#cancel = this.#options.clock.after(this.#options.intervalMs, () => {
      const cleaned = this.#enqueue(() => this.#clean())
      void cleaned.catch((error) => this.#report(error)).then(() => this.#schedule())
    })
  }

  async #clean(): Promise<void> {
    for (const partition of this.#log.catalog.partitions) {
      if (this.#abort.signal.aborted) return
      const retentionMs = retentionMsOf(partition)
      if (retentionMs !== undefined) await expire(this.#task(partition), retentionMs)
      if (isWorthCompacting(partition)) await compact(this.#task(partition))
    }
  }

  #enqueue(action: () => Promise<void>): Promise<void> {
    const result = this.#work.then(action)
    this.#work = result.catch(() => undefined)
    return result
  }

  #task(partition: Partition): CleaningTask {
    return { log: this.#log, partition, now: this.#options.clock.now(), signal: this.#abort.signal }
  }

  #report(error: unknown): void {
    this.#options.logger.error({ reason: reasonOf(error) }, 'the embedded log could not be cleaned; it is tried again')
  }
}
