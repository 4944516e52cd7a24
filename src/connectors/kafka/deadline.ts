import type { Clock } from '../../clock.ts'

/** Waits for `work`, but not longer than that: false when the time is over. The work goes on, and its later failure is ignored. */
export async function within(clock: Clock, timeoutMs: number, work: Promise<void>): Promise<boolean> {
  const late = Promise.withResolvers<false>()
  const cancel = clock.after(timeoutMs, () => late.resolve(false))
  try {
    return await Promise.race([work.then(() => true), late.promise])
  } finally {
    cancel()
  }
}
