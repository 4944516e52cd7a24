/** `2026-01-31T12:00:00.000Z`; a timestamp that is no date as the number that it is. */
export function isoTime(timestamp: number): string {
  const date = new Date(timestamp)
  return Number.isNaN(date.getTime()) ? String(timestamp) : date.toISOString()
}
