import { reasonOf } from '../../errors.ts'
import { plainData } from '../../plain-data.ts'
import type { LogRecord } from '../../runtime/broker.ts'
import { isoTime } from '../iso-time.ts'
import { printableLine, textOrHex } from '../printable.ts'
import type { TappedRecord } from './records.ts'
import type { TappedTopic } from './tapped-topic.ts'

/** A record as `tap` shows it; what `--json` prints. */
export interface ShownRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly time: string
  /** As its serde has it; text, or hexadecimal, where that cannot read it. */
  readonly key: unknown
  /** The same. Null deletes the key. */
  readonly value: unknown
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
  /** Why key or value are not what the topology would see. */
  readonly problems?: readonly string[]
}

/** What a record says. Throws what keeps a serde from getting what it needs to read it. */
export async function shownRecord(
  { topic, partition, record }: TappedRecord,
  tapped: TappedTopic,
  signal: AbortSignal,
): Promise<ShownRecord> {
  const { offset, timestamp, headers } = record
  const problems: string[] = []
  const reading = tapped.reading(headers)
  await reading?.prepare(record, signal)
  const read = (bytes: Uint8Array | null, meaning: ((bytes: Uint8Array) => unknown) | undefined): unknown => {
    if (bytes === null) return null
    try {
      return meaning ? plainData(meaning(bytes)) : textOrHex(bytes)
    } catch (error) {
      problems.push(reasonOf(error))
      return textOrHex(bytes)
    }
  }
  const [key, value] = [read(record.key, reading?.key), read(record.value, reading?.value)]
  return {
    topic,
    partition,
    offset,
    time: isoTime(timestamp),
    key,
    value,
    headers: headersOf(record),
    ...(problems.length > 0 && { problems }),
  }
}

/** A key as `--key` names it: a text as it is, anything else as JSON. */
export function keyText({ key }: Pick<ShownRecord, 'key'>): string {
  return typeof key === 'string' ? key : JSON.stringify(key)
}

const keyLength = 80
const headerLength = 80

/** `0@17  2026-01-31T12:00:00.000Z  a.md  {"path":"a.md","text":"A."}`, and a line for headers and for problems each. */
export function recordText(shown: ShownRecord, width: number): string {
  const { partition, offset, time, key, value, headers, problems = [] } = shown
  const name = key === null ? '(no key)' : printableLine(keyText(shown), keyLength)
  const head = `${partition}@${offset}  ${time}  ${name}  `
  const text = value === null ? '(deleted)' : typeof value === 'string' ? value : JSON.stringify(value)
  const written = headers.map((header) => `${header.key}=${header.value ?? '(null)'}`)
  const lines = [
    `${head}${printableLine(text, Math.max(shortestValue, width - head.length))}`,
    ...(headers.length > 0 ? [`  headers: ${written.map((one) => printableLine(one, headerLength)).join(' ')}`] : []),
    ...problems.map((problem) => `  ${printableLine(problem, longestLine)}`),
  ]
  return `${lines.join('\n')}\n`
}

const shortestValue = 40
const longestLine = 500

function headersOf({ headers }: LogRecord): ShownRecord['headers'] {
  return headers.map(({ key, value }) => ({ key, value: value && textOrHex(value) }))
}
