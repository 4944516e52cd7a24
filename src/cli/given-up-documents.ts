import { deadLetterTopicOf, parseSettings } from '../config.ts'
import type { Broker } from '../runtime/broker.ts'
import { readLetters } from '../runtime/dead-letters/dead-letter-topic.ts'
import { names } from './documents.ts'

/** A document whose latest version ended as a dead letter: it is missing in the index, or old. */
export interface GivenUpDocument {
  readonly key: string
  /** Why, as a sentence that begins with the code of the error. */
  readonly reason: string
}

/** Where `millrace index` keeps dead letters. */
export const deadLetterTopic = deadLetterTopicOf(parseSettings({ application: names.application }))

/** Compares the dead letters of the log with the versions that came after them. Reads documents only when there are dead letters. */
export async function givenUpDocuments(log: Broker): Promise<readonly GivenUpDocument[]> {
  const givenUp = await deadLetters(log)
  if (givenUp.size === 0) return []
  const first = Math.min(...[...givenUp.values()].map(({ offset }) => offset))
  for await (const { records } of log.read({ topic: names.topic, partition: 0 }, first)) {
    for (const { key, offset } of records) {
      const document = Buffer.from(key ?? []).toString()
      if (offset > (givenUp.get(document)?.offset ?? offset)) givenUp.delete(document)
    }
  }
  return [...givenUp].map(([key, { reason }]) => ({ key, reason }))
}

/** The last dead letter of each document, and which version it was. */
async function deadLetters(log: Broker): Promise<Map<string, { readonly offset: number; readonly reason: string }>> {
  const letters = new Map<string, { readonly offset: number; readonly reason: string }>()
  if (!(await log.topics([deadLetterTopic])).has(deadLetterTopic)) return letters
  for await (const { letter } of readLetters(log, deadLetterTopic)) {
    const { key, source, message } = letter
    if (source) letters.set(Buffer.from(key ?? []).toString(), { offset: source.offset, reason: message })
  }
  return letters
}
