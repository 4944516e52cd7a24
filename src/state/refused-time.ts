import { StreamError } from '../errors.ts'

/** What a method of a store was called with: `put(key, value, timestamp)` of the store `counts`. */
export interface StoreCall {
  readonly store: string
  readonly call: string
}

/** RECORD_FAILED, for a parameter that is no time in whole milliseconds. */
export function refusedTime({ store, call }: StoreCall, parameter: string, given: unknown): StreamError {
  const shown = typeof given === 'object' && given !== null ? 'an object' : String(given)
  return new StreamError('RECORD_FAILED', `store "${store}" was given ${shown} as the ${parameter} of ${call}`, {
    fix: 'Give times in whole milliseconds, and the parameters in that order.',
    details: { store },
  })
}
