import { StreamError } from '../errors.ts'
import type { Header, Headers } from '../record.ts'
import type { ByteChange } from './store.ts'

/** The last change of a key of a store in one generation; value null is a deletion. */
export interface StoreChange extends ByteChange {
  readonly store: string
  /** The time of the value, for the record; absent where the store keeps none, and for deletions. */
  readonly timestamp?: number
}

/** What a record of a changelog changes, and the time of the record. */
export interface RestoredChange extends ByteChange {
  readonly timestamp: number
}

/** The key, value and headers of a record of a changelog topic. */
export interface ChangelogRecord {
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: Headers
}

/** Where a record of a changelog is. */
export interface ChangelogPlace {
  readonly topic: string
  readonly partition: number
  readonly offset: number
}

/** Carries the source offsets of the generation that wrote the record, in the runtime's own encoding. */
const sourceOffsetsHeader = 'millrace.source'

/** The changelog topic of a store, named as Kafka Streams names it. */
export function changelogTopic(application: string, store: string): string {
  return `${application}-${store}-changelog`
}

/**
 * Key and value are the bytes of the store's serdes, in the layout of Kafka Streams: the key of a window store is followed by start and
 * sequence number, that of a session store by end and start (src/windowed.ts takes them apart). What a value means only its serde knows.
 */
export function changelogRecord(change: StoreChange, sourceOffsets: Uint8Array): ChangelogRecord {
  const header: Header = { key: sourceOffsetsHeader, value: sourceOffsets }
  return { key: change.key, value: change.value, headers: [header] }
}

/** What a record of a changelog changes. `where` names its place for CHANGELOG_CORRUPT, thrown when it has no key. */
export function changeOf(
  record: Pick<ChangelogRecord, 'key' | 'value'> & { readonly timestamp: number },
  where: ChangelogPlace,
): RestoredChange {
  if (record.key !== null) return { key: record.key, value: record.value, timestamp: record.timestamp }
  const { topic, partition, offset } = where
  const fact = `the record at ${topic}-${partition} offset ${offset} has no key`
  throw new StreamError('CHANGELOG_CORRUPT', fact, { details: { topic, partition, offset } })
}
