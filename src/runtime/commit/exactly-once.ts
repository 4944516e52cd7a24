import type { CommitOffset, ProducerRecord } from '../broker.ts'
import type { DeadLetters } from '../dead-letters/dead-letters.ts'
import type { GenerationOutputs } from '../outputs/generation-outputs.ts'
import type { GenerationTransactions } from './checkpoint.ts'
import type { TaskTransactions } from './task-transactions.ts'

export interface ExactlyOnceOptions {
  readonly transactions: TaskTransactions
  readonly outputs: GenerationOutputs
  readonly deadLetters: DeadLetters
}

/** Commits the generations of one task with exactly_once: all that a generation writes to the broker is one transaction. */
export class ExactlyOnce implements GenerationTransactions {
  readonly #options: ExactlyOnceOptions

  constructor(options: ExactlyOnceOptions) {
    this.#options = options
  }

  /** What a generation holds for topics; it counts against the bound of the generation. */
  outputBytes(generation: number): number {
    return this.#options.outputs.bytes(generation)
  }

  /** An output that the broker refuses is replaced by a dead letter, and the rest goes again. */
  async commit(
    generation: number,
    changelogs: readonly ProducerRecord[],
    offsets: readonly CommitOffset[],
    signal: AbortSignal,
  ): Promise<readonly number[]> {
    const { transactions, outputs, deadLetters } = this.#options
    for (;;) {
      const result = await transactions.commit({ outputs: outputs.of(generation), changelogs, offsets }, signal)
      if (!('refused' in result)) {
        outputs.drop(generation)
        return result
      }
      outputs.replace(generation, result.refused, deadLetters.insteadOf(result.refused, result.error))
    }
  }

  close(): Promise<void> {
    return this.#options.transactions.close()
  }
}
