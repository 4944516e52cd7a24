import { InvalidArgumentError } from 'commander'
import { StreamError } from '../../errors.ts'
import type { Broker, LogRecord, PartitionOffsets, TopicPartition } from '../../runtime/broker.ts'

/** Where `tap` begins. */
export type TapStart =
  | { readonly kind: 'end' }
  | { readonly kind: 'beginning' }
  | { readonly kind: 'offset'; readonly offset: number }
  | { readonly kind: 'time'; readonly timeMs: number }

/** Reads `end`, `beginning`, an offset, or a time in ISO 8601. */
export function tapStart(text: string): TapStart {
  if (text === 'end' || text === 'beginning') return { kind: text }
  if (/^\d{1,15}$/.test(text)) return { kind: 'offset', offset: Number(text) }
  const timeMs = /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  if (!Number.isNaN(timeMs)) return { kind: 'time', timeMs }
  throw new InvalidArgumentError('It must be end, beginning, an offset, or a time such as 2026-01-31T12:00:00Z.')
}

/** The offset of a partition to begin at. Throws USAGE for an offset that is not in the log. */
export async function positionOf(
  broker: Broker,
  { topic, partition, earliest, latest }: PartitionOffsets,
  start: TapStart,
): Promise<number> {
  if (start.kind === 'end') return latest
  if (start.kind === 'beginning') return earliest
  if (start.kind === 'time') return offsetAt(broker, { topic, partition, earliest, latest }, start.timeMs)
  if (start.offset >= earliest && start.offset <= latest) return start.offset
  throw new StreamError('USAGE', `${topic}-${partition} has no offset ${start.offset}`, {
    fix: `It holds ${earliest} to ${latest - 1}; name the partition with --partition.`,
  })
}

/**
 * The first record of this time or later, by halving: a log of millions takes some twenty looks. Where timestamps do not rise, records
 * before the place that is found may be as late.
 */
async function offsetAt(
  broker: Broker,
  { earliest, latest, ...place }: PartitionOffsets,
  timeMs: number,
): Promise<number> {
  let [low, high] = [earliest, latest]
  while (low < high) {
    const middle = Math.floor((low + high) / 2)
    const first = await firstFrom(broker, place, middle)
    if (!first || first.offset >= high || first.timestamp >= timeMs) high = middle
    else low = first.offset + 1
  }
  return low
}

/** Compaction may have left nothing at the offset itself. */
async function firstFrom(broker: Broker, place: TopicPartition, offset: number): Promise<LogRecord | undefined> {
  for await (const { records } of broker.read(place, offset)) {
    const [first] = records
    if (first) return first
  }
  return undefined
}
