import { StreamError } from '../../errors.ts'
import type { TopicPart } from '../../serde.ts'

/**
 * What the versions of a schema are kept under, as Confluent's strategies have it:
 *
 * - `topic`: `<topic>-key` or `<topic>-value`: one schema for a topic.
 * - `record`: the full name of the record: the same schema in every topic.
 * - `topic-record`: `<topic>-<full name>`: several kinds of record in one topic.
 */
export type SubjectNaming = 'topic' | 'record' | 'topic-record'

/** Throws CONFIG_INVALID for a name that is asked for and not there. */
export function subjectOf(naming: SubjectNaming, { topic, part }: TopicPart, recordName: string | undefined): string {
  if (naming === 'topic') return `${topic}-${part}`
  if (recordName === undefined) {
    throw new StreamError(
      'CONFIG_INVALID',
      `the subjects of topic "${topic}" are named after records, and its schema has no name`,
      {
        fix: 'Name the record (JSON Schema: `title`), or choose the subject naming `topic`.',
      },
    )
  }
  return naming === 'record' ? recordName : `${topic}-${recordName}`
}
