import { termsOf } from '../connectors/embedded/sqlite/search.ts'

const length = 240
/** How much of the passage stands before the first word of it that was looked for, when the passage is not the beginning. */
const leadLength = 60

/**
 * The passage of a text that says most of what was looked for, on one line: the one with the most words of the query, long and rare ones
 * before others. The beginning where there are none, as of a chunk that only its vector found.
 */
export function excerptOf(content: string, query: string): string {
  const text = content.replace(/\s+/g, ' ').trim()
  if (text.length <= length) return text
  const { start, end } = bestPassage(occurrencesOf(text, tellingTerms(query)))
  // What is in sight at the beginning needs no other passage.
  if (end <= length) return `${text.slice(0, cutBefore(text, length))} ...`
  const from = cutAfter(text, Math.min(start - leadLength, text.length - length))
  const to = from + length >= text.length ? text.length : cutBefore(text, from + length)
  return `... ${text.slice(from, to).trim()}${to < text.length ? ' ...' : ''}`
}

interface Occurrence {
  readonly term: string
  readonly start: number
  readonly end: number
}

const unspaced = /^[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Hangul}]/u
const shortestTelling = 4

/** Words that are too short to say something find the wrong passages: they count only where there are no others. */
function tellingTerms(query: string): readonly string[] {
  const terms = termsOf(query)
  const telling = terms.filter((term) => term.length >= shortestTelling || unspaced.test(term))
  return telling.length > 0 ? telling : terms
}

/** In the order of their places. */
function occurrencesOf(text: string, terms: readonly string[]): readonly Occurrence[] {
  const stems = terms.filter((term) => !unspaced.test(term)).map((term) => ({ term, stem: stemOf(term) }))
  const words = [...text.matchAll(/[\p{L}\p{N}\p{M}\p{Co}]+/gu)].flatMap(({ 0: word, index: start }) => {
    const plain = plainOf(word)
    const found = stems.find(({ stem }) => plain.startsWith(stem) && plain.length <= stem.length + 5)
    return found ? [{ term: found.term, start, end: start + word.length }] : []
  })
  const runs = terms.filter((term) => unspaced.test(term)).flatMap((term) => placesOf(text, term))
  return [...words, ...runs].sort((a, b) => a.start - b.start)
}

function placesOf(text: string, term: string): readonly Occurrence[] {
  const places: Occurrence[] = []
  for (let start = text.indexOf(term); start !== -1; start = text.indexOf(term, start + 1))
    places.push({ term, start, end: start + term.length })
  return places
}

/** The index finds other forms of a word too: what they share is about its beginning. */
function stemOf(term: string): string {
  const plain = plainOf(term)
  return plain.length >= 6 ? plain.slice(0, -2) : plain
}

function plainOf(word: string): string {
  return word.toLowerCase().normalize('NFD').replace(/\p{M}/gu, '')
}

/** The earliest of those that weigh most; a word weighs its length, shared among its occurrences, and counts once. */
function bestPassage(occurrences: readonly Occurrence[]): { readonly start: number; readonly end: number } {
  const counts = new Map<string, number>()
  for (const { term } of occurrences) counts.set(term, (counts.get(term) ?? 0) + 1)
  let best = { start: 0, end: 0, weight: 0 }
  for (const [i, { start }] of occurrences.entries()) {
    const inside = occurrences.slice(i).filter(({ end }) => end - start <= length - leadLength)
    const terms = new Set(inside.map(({ term }) => term))
    const weight = [...terms].reduce((sum, term) => sum + term.length / (counts.get(term) ?? 1), 0)
    if (weight > best.weight) best = { start, end: Math.max(...inside.map(({ end }) => end)), weight }
  }
  return best
}

/** The last place before `at` where a word begins or ends; `at` itself, but no half character, where there is none near. */
function cutBefore(text: string, at: number): number {
  const space = text.lastIndexOf(' ', at)
  return space > at - 40 ? space : wholeCharacter(text, at)
}

function cutAfter(text: string, at: number): number {
  const space = text.indexOf(' ', at)
  return space !== -1 && space < at + 40 ? space + 1 : wholeCharacter(text, at)
}

function wholeCharacter(text: string, at: number): number {
  return /[\udc00-\udfff]/.test(text[at] ?? '') ? at - 1 : at
}
