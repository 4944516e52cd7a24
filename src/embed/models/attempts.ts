import { Backoff } from '../../backoff.ts'
import type { Clock } from '../../clock.ts'
import { isStreamError } from '../../errors.ts'

export interface AttemptsOptions {
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Whether the attempt that has failed has brought something. Default: never. */
  readonly hasProgressed?: () => boolean
}

/** Attempts in a row that bring nothing. */
const maxFruitlessAttempts = 5

/** Tries what may pass (reaction `retry`) again, after growing pauses, as long as it brings something, or five times more. */
export async function attempts<T>(action: () => Promise<T>, options: AttemptsOptions): Promise<T> {
  const { clock, signal, hasProgressed = () => false } = options
  const backoff = new Backoff({ name: 'the model hub', clock })
  for (;;) {
    try {
      return await action()
    } catch (error) {
      signal.throwIfAborted()
      if (hasProgressed()) backoff.reset()
      if (!isStreamError(error) || error.reaction !== 'retry' || backoff.failures >= maxFruitlessAttempts) throw error
      await backoff.wait(error, signal)
    }
  }
}
