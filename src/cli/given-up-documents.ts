import { deadLetterTopicOf, parseSettings } from '../config.ts'
import { headerText } from '../record.ts'
import type { Broker } from '../runtime/broker.ts'
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
  const partitions = (await log.topics([deadLetterTopic])).get(deadLetterTopic)?.partitions ?? 0
  for (let partition = 0; partition < partitions; partition++) {
    for await (const { records } of log.read({ topic: deadLetterTopic, partition }, 0)) {
      for (const { key, headers } of records) {
        const offset = Number(headerText(headers, '__streams.errors.offset'))
        const reason = headerText(headers, '__streams.errors.message') ?? ''
        letters.set(Buffer.from(key ?? []).toString(), { offset, reason })
      }
    }
  }
  return letters
}
