import type { DeadLetter } from '../../runtime/dead-letters/dead-letter.ts'
import { isoTime } from '../iso-time.ts'
import { textOrHex } from '../printable.ts'

/** A letter as a line of JSON has it, without its payload. */
export function letterJson({ place, source, timestamp, key, code, message, attempt }: DeadLetter) {
  return {
    letter: shortPlace(place),
    source: source ?? null,
    code,
    message,
    time: isoTime(timestamp),
    key: key && textOrHex(key),
    attempt,
  }
}

/** As `show` and `purge` take it. */
export function shortPlace({ partition, offset }: { readonly partition: number; readonly offset: number }): string {
  return `${partition}@${offset}`
}
