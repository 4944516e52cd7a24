/** More terms than this add time, not hits. FTS5 itself refuses expressions that are nested deeper than 256. */
const maxTerms = 64

/**
 * The different words of what a user typed, as the tokenizer of the index splits them.
 *
 * @example
 * termsOf('Error: can\'t open "x"')   // ['error', 'can', 't', 'open', 'x']
 */
export function termsOf(text: string): readonly string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu) ?? []
  return [...new Set(words)].slice(0, maxTerms)
}

/** An FTS5 expression that finds passages with any of the words. Each is quoted, so none is ever taken for the query language. */
export function anyOf(terms: readonly string[]): string {
  return terms.map((term) => `"${term}"`).join(' OR ')
}

/** What reciprocal rank fusion adds to each rank. Of 1 to 60, 10 ranks best on the retrieval fixture (docs/performance.md). */
const fusionConstant = 10

/**
 * Joins ranked lists by reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR 2009): the score of a row is the sum of
 * 1 / (k + rank) over the lists that it is in, ranks from 1. Best first; equal scores by row.
 */
export function fuse(lists: readonly (readonly number[])[], limit: number): { row: number; score: number }[] {
  const scores = new Map<number, number>()
  for (const list of lists)
    for (const [i, row] of list.entries()) scores.set(row, (scores.get(row) ?? 0) + 1 / (fusionConstant + i + 1))
  return [...scores]
    .map(([row, score]) => ({ row, score }))
    .sort((a, b) => b.score - a.score || a.row - b.row)
    .slice(0, limit)
}
