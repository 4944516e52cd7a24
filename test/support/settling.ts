import { vi } from 'vitest'

/** Tries until the assertion holds, for a minute: for what several instances have to agree on. */
export function settling(assertion: () => void | Promise<void>): Promise<void> {
  return vi.waitFor(assertion, { timeout: 60_000, interval: 50 })
}
