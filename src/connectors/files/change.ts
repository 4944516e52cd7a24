import type { FeedRecord } from '../../topology/feed.ts'

const encoder = new TextEncoder()
const decoder = new TextDecoder()

/**
 * The record of one line of a change stream; the reason when it is none; undefined for an empty line. `modifiedAt` is the timestamp of
 * lines that name no time.
 */
export function parseChange(line: Uint8Array, modifiedAt: number): FeedRecord | string | undefined {
  const text = decoder.decode(line).trim()
  if (text === '') return undefined
  const change = parseObject(text)
  if (change === undefined) return 'the line is not a JSON object'
  const { key, op, ...content } = change
  if (typeof key !== 'string' || key === '') return 'the line has no "key"'
  // Another character would stand for all such halves in the bytes of a key: two documents would be one.
  if (!key.isWellFormed()) return `the key ${JSON.stringify(key)} has half of a character (a lone surrogate)`
  const timestamp = timeOf(content.time) ?? Math.max(0, Math.trunc(modifiedAt))
  if (timestamp > latestTime) return `the time ${timestamp} is after the last one that there is`
  if (op === 'delete') return { key, value: null, timestamp }
  if (op !== 'upsert') return '"op" is neither "upsert" nor "delete"'
  if (typeof content.text !== 'string') return 'the line has no "text"'
  return { key, value: encoder.encode(JSON.stringify({ path: key, ...content })), timestamp }
}

function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(text)
    return typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) ? { ...parsed } : undefined
  } catch {
    return undefined
  }
}

/** The last moment of ECMAScript: no clock, and no log, knows a later one. */
const latestTime = 8_640_000_000_000_000

/** A date as text, or milliseconds since the epoch; undefined for what is neither, or before the epoch. */
function timeOf(time: unknown): number | undefined {
  const milliseconds = typeof time === 'string' ? Date.parse(time) : time
  return typeof milliseconds === 'number' && milliseconds >= 0 ? Math.trunc(milliseconds) : undefined
}
