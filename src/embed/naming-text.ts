import { isStreamError, StreamError } from '../errors.ts'

/** What is the fault of a text says which one of a call that is, `at` from 0 on: in `details.text`, and among others in the fact too. */
export function namingText(error: unknown, at: number, textsOfCall: number): unknown {
  if (!isStreamError(error) || error.code !== 'EMBED_TEXT') return error
  const { fact, fix, cause, details } = error
  const place = textsOfCall > 1 ? ` (texts[${at}])` : ''
  return new StreamError('EMBED_TEXT', withoutPlace(fact) + place, { fix, cause, details: { ...details, text: at } })
}

/** A cache asks for less than its callers do: the place in its call is not that in theirs. */
function withoutPlace(fact: string): string {
  return fact.replace(/ \(texts\[\d+\]\)$/, '')
}
