import { dropped, ideographs, marks, punctuation, type Ranges, spaces, undecomposed } from './bert-characters.ts'

/** The words of a text without added tokens, in the letters that the vocabulary has: BertNormalizer, then BertPreTokenizer. */
export function wordsOf(raw: string): readonly string[] {
  if (isPlainWord(raw)) return [raw.toLowerCase()]
  patterns ??= makePatterns()
  return normalize(raw, patterns)
    .split(patterns.wordEnd)
    .filter((word) => word)
}

/** Most words are: nothing but letters and digits of ASCII, or one of its punctuation characters. */
function isPlainWord(raw: string): boolean {
  return /^(?:[0-9A-Za-z]*|[!-~])$/.test(raw)
}

/** Made for the first text that wants them: they take longer than the words of a short one. */
let patterns: Patterns | undefined

type Patterns = ReturnType<typeof makePatterns>

function makePatterns() {
  return {
    // An unbounded quantifier would overflow the stack of the regular-expression engine on a run of a few million characters.
    dropped: new RegExp(`[${classOf(dropped())}${classOf(loneSurrogates)}]{1,1000}`, 'gu'),
    space: new RegExp(`[${classOf(spaces())}]`, 'gu'),
    ideograph: new RegExp(`[${classOf(ideographs())}]`, 'gu'),
    undecomposed: new RegExp(`([${classOf(undecomposed())}])`, 'u'),
    mark: new RegExp(`[${classOf(marks())}]{1,1000}`, 'gu'),
    wordEnd: new RegExp(`([${classOf(punctuation())}])| `, 'u'),
  }
}

const loneSurrogates: Ranges = [0xd800, 0xdfff]

/** Ranges as the inside of a character class. */
function classOf(ranges: Ranges): string {
  const escapes = ranges.map((code) => `\\u{${code.toString(16)}}`)
  return escapes.map((code, at) => (at % 2 === 0 ? code : `-${code}`)).join('')
}

/** Cleans, isolates ideographs, decomposes, drops marks and lower-cases. What is left of white space is the space character. */
function normalize(raw: string, { dropped, space, ideograph, mark, undecomposed }: Patterns): string {
  const cleaned = raw.replace(dropped, '').replace(space, ' ').replace(ideograph, ' $& ')
  const bare = decompose(cleaned, undecomposed).replace(mark, '')
  // The original lower-cases each code point on its own; sigma is the only one that JavaScript treats differently at the end of a word.
  return bare.replaceAll('Σ', 'σ').toLowerCase()
}

function decompose(text: string, undecomposed: RegExp): string {
  // A split by a pattern with a group keeps what matched: at the odd places.
  const parts = text.split(undecomposed)
  return parts.map((part, at) => (at % 2 === 1 ? part : part.normalize('NFD'))).join('')
}
