import type { Range } from './text-kind.ts'

/** Where sentences start inside `range`, the first one left out. Abbreviations of one letter ("e.g.", "J. Smith") do not end one. */
export function sentenceStarts(text: string, range: Range): number[] {
  const source = text.slice(range.start, range.end)
  const starts = withoutSpaces.test(source) ? segmentedStarts(source) : spacedStarts(source)
  return starts.map((start) => range.start + start)
}

/** Scripts that put no spaces between sentences: Chinese, Japanese, Thai, Lao, Khmer, Burmese, Tibetan. */
const withoutSpaces =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\p{Script=Tibetan}]/u

const sentenceEnd = /(?<![.\s(]\p{L})[.!?…؟۔।]["'”’»)\]*_`]*\s+(?=[\p{Lu}\p{Lt}\p{Lo}\p{N}"'“‘«([*_`<¿¡])/gu

function spacedStarts(source: string): number[] {
  const starts: number[] = []
  sentenceEnd.lastIndex = 0
  while (sentenceEnd.test(source)) starts.push(sentenceEnd.lastIndex)
  return starts
}

const segmenter = new Intl.Segmenter('und', { granularity: 'sentence' })

function segmentedStarts(source: string): number[] {
  const starts: number[] = []
  for (const { index } of segmenter.segment(source)) if (index > 0) starts.push(index)
  return starts
}
