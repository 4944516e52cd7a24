/** More terms than this add time, not hits. FTS5 itself refuses expressions that are nested deeper than 256. */
const maxTerms = 64

/** Scripts that are written without spaces between words, and Hangul, where a word takes its endings along. */
const unspaced = /[[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}]&&[\p{L}\p{M}\p{N}]]+/gv

/**
 * A text as the full-text index takes it. FTS5 would take a whole sentence without spaces for one word: each run of such characters
 * becomes its overlapping pairs, as in Lucene's CJKBigramFilter, and its last character, so that every character begins something.
 *
 * @example
 * searchable('in 東京都') // 'in  東京 京都 都 '
 */
export function searchable(text: string): string {
  return text.replace(unspaced, (run) => ` ${[...pairsOf(run), [...run].at(-1)].join(' ')} `)
}

/**
 * The different words of what a user typed, as the tokenizer of the index splits them; of scripts without spaces the pairs of
 * characters, or a character that stands alone.
 *
 * @example
 * termsOf('Error: can\'t open "x"')   // ['error', 'can', 't', 'open', 'x']
 */
export function termsOf(text: string): readonly string[] {
  const apart = text.toLowerCase().replace(unspaced, (run) => {
    const pairs = pairsOf(run)
    return ` ${(pairs.length > 0 ? pairs : [run]).join(' ')} `
  })
  const words = apart.match(/[\p{L}\p{N}\p{M}\p{Co}]+/gu) ?? []
  return [...new Set(words)].slice(0, maxTerms)
}

function pairsOf(run: string): readonly string[] {
  const characters = [...run]
  return characters.slice(1).map((character, before) => `${characters[before]}${character}`)
}

/** The index has such a character as the beginning of pairs. */
export function isBeginning(term: string): boolean {
  return [...term].length === 1 && term.search(unspaced) === 0
}

/** An FTS5 expression that finds passages with any of the words. Each is quoted, so none is ever taken for the query language. */
export function anyOf(terms: readonly string[]): string {
  return terms.map((term) => (isBeginning(term) ? `"${term}"*` : `"${term}"`)).join(' OR ')
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
