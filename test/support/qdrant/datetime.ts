/** Dates as the server reads them: RFC 3339, also without a zone, without a time, with a space. The result is in microseconds. */
import { custom, type Decode, string } from './serde.ts'

const pattern =
  /^([+-]?\d{4,6})-(\d{1,2})-(\d{1,2})(?:([Tt ])\s*(\d{1,2}):(\d{1,2})(?::(\d{1,2})(\.\d+)?)?\s*(Z|z|UTC|[+-]\d{2}(?::?\d{2})?)?)?$/

export function parseDatetime(text: string): bigint | undefined {
  const match = pattern.exec(text)
  if (!match) return undefined
  const [, year, month, day, , hour = '0', minute = '0', second, fraction = '', zone] = match
  if (second === undefined && zone !== undefined) return undefined
  const parts = { year: Number(year), month: Number(month), day: Number(day) }
  const clock = { hour: Number(hour), minute: Number(minute), second: Number(second ?? 0) }
  if (!isDate(parts) || clock.hour > 23 || clock.minute > 59 || clock.second > 60) return undefined
  const atMs = Date.UTC(2000, parts.month - 1, parts.day, clock.hour, clock.minute, clock.second)
  const date = new Date(atMs)
  date.setUTCFullYear(parts.year, parts.month - 1, parts.day)
  const micros = BigInt(fraction.slice(1, 7).padEnd(6, '0') || '0')
  return (BigInt(date.getTime()) - BigInt(zoneMs(zone))) * 1000n + micros
}

function isDate({ year, month, day }: { year: number; month: number; day: number }): boolean {
  const date = new Date(Date.UTC(2000, 0, 1))
  date.setUTCFullYear(year, month - 1, day)
  return date.getUTCMonth() === month - 1 && date.getUTCDate() === day
}

function zoneMs(zone: string | undefined): number {
  const match = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '')
  if (!match) return 0
  const [, sign, hours, minutes = '0'] = match
  return (sign === '-' ? -1 : 1) * (Number(hours) * 60 + Number(minutes)) * 60_000
}

export const datetime: Decode<bigint> = (node, way) => {
  const text = string(node, way)
  const micros = parseDatetime(text)
  if (micros !== undefined) return micros
  throw custom(`'${text}' does not match accepted datetime format (RFC3339). Example: 2014-01-01T00:00:00Z`)
}
