/**
 * The name that is most like the one that was written, if any is: other case, dashes or underscores, or a typing error for every three
 * letters.
 *
 * @example
 * nearestName('client_id', ['brokers', 'clientId']) // 'clientId'
 */
export function nearestName(written: string, names: readonly string[]): string | undefined {
  if (written.length > 64) return undefined
  const plain = plainOf(written)
  const ranked = names
    .map((name) => ({ name, distance: distanceBetween(plain, plainOf(name)) }))
    .sort((a, b) => a.distance - b.distance)
  const [best] = ranked
  return best && best.distance <= Math.max(1, Math.floor(plain.length / 3)) ? best.name : undefined
}

function plainOf(name: string): string {
  return name.toLowerCase().replace(/[-_. ]/g, '')
}

/**
 * Edits between two words: letters that are added, missing or replaced, and neighbours that changed places (optimal string alignment:
 * Damerau, "A technique for computer detection and correction of spelling errors", 1964).
 */
function distanceBetween(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, at) => at)]
  const distance = (row: number, column: number) => rows[row]?.[column] ?? Number.POSITIVE_INFINITY
  for (let row = 1; row <= a.length; row++) {
    const next = [row]
    rows.push(next)
    for (let column = 1; column <= b.length; column++) {
      const replaced = distance(row - 1, column - 1) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const isSwap = a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      const swapped = isSwap ? distance(row - 2, column - 2) + 1 : Number.POSITIVE_INFINITY
      next.push(Math.min(distance(row - 1, column) + 1, distance(row, column - 1) + 1, replaced, swapped))
    }
  }
  return distance(a.length, b.length)
}
