import { FileDocument } from '../../src/file-document.ts'
import { json } from '../../src/serde.ts'
import type { Feed, FeedBatch, FeedProblem, FeedRecord } from '../../src/topology/feed.ts'

export const document = json(FileDocument)

/** Everything that a feed had to say, until it ended. */
export interface Reading<Cursor> {
  readonly records: readonly FeedRecord[]
  readonly problems: readonly FeedProblem[]
  readonly cursor: Cursor
  readonly batches: readonly FeedBatch<Cursor>[]
}

export async function readAll<Cursor>(
  feed: Feed<Cursor>,
  cursor?: Cursor,
  signal = new AbortController().signal,
): Promise<Reading<Cursor>> {
  const batches: FeedBatch<Cursor>[] = []
  for await (const batch of feed.read(cursor, signal)) batches.push(batch)
  const last = batches.at(-1)
  if (!last) throw new Error('the feed had no batch')
  return {
    records: batches.flatMap(({ records }) => records),
    problems: batches.flatMap(({ problems }) => problems),
    cursor: last.cursor,
    batches,
  }
}

/** Records as `[key, text]`; the text of a tombstone is null. */
export function texts(records: readonly FeedRecord[]): [key: string, text: string | null][] {
  return records.map(({ key, value }) => [key, value && document.deserialize(value).text])
}
