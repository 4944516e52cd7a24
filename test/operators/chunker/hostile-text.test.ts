import { describe, expect, test } from 'vitest'
import { createChunker } from '../../../src/operators/chunker/chunker.ts'
import { markdown } from '../../../src/operators/chunker/markdown.ts'
import { plainText } from '../../../src/operators/chunker/plain-text.ts'

const length = 300_000
const filled = (pattern: string): string => pattern.repeat(length / pattern.length)

/** Numbers that look random and are the same in every run. */
function* noise(range: number): Generator<number> {
  for (let state = 1; ; state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0) yield state % range
}

const characters = (range: number): string =>
  Array.from(noise(range).take(length), (code) => String.fromCharCode(code)).join('')

/** Each takes minutes, or the whole stack, when one step of the way is quadratic or recursive. */
const texts: readonly (readonly [name: string, text: string])[] = [
  ['one word', filled('a')],
  ['one line of words', filled('lorem ipsum ')],
  ['one line of Chinese', filled('漢')],
  ['one line of Chinese sentences', filled('漢字。')],
  ['white space between two words', `a${filled(' ')}b`],
  ['blank lines between two words', `a${filled('\n')}b`],
  ['items', filled('- a\n')],
  ['nested items', Array.from({ length: 2_000 }, (_, depth) => `${' '.repeat(depth % 300)}- item ${depth}`).join('\n')],
  ['items in one line', filled('- ')],
  ['quotes in quotes', `${filled('> ')}a`],
  ['an open fence', `\`\`\`\n${filled('a line\n')}`],
  ['fences', filled('```\n')],
  ['an open comment', `<!-- ${filled('a\n\n')}`],
  ['open comments', filled('a <!-- b\n\n')],
  ['open brackets', filled('[')],
  ['open links', filled('[a](')],
  ['links without an end', filled('[](')],
  ['stars', filled('*')],
  ['backticks', Array.from({ length: 700 }, (_, i) => '`'.repeat(i + 1)).join(' a ')],
  ['open tags', filled('<a ')],
  ['open preformatted text', filled('<pre>\n')],
  ['full stops and quotes', `.${filled('"')}`],
  ['full stops', filled('. ')],
  ['dashes', filled('-')],
  ['a dash and spaces', `-${filled(' ')}a`],
  ['cells', `a | b\n${filled('--|')}`],
  ['a heading of marks', `# ${filled('#')}`],
  ['headings', filled('# a\n## b\n### c\n')],
  ['underlines', filled('a\n=\n')],
  ['an open front matter', `---\n${filled('a: b\n')}`],
  ['mixed line breaks', filled('a\r\nb\nc\rd\n\r')],
  ['bytes', characters(256)],
  ['UTF-16', characters(65_536)],
  ['lone surrogates', filled('\uD800')],
  ['lone surrogates in words', filled('\uDC00a \uD800')],
  ['emoji', filled('😀')],
  ['replacement characters', filled('\uFFFD')],
  ['zeros', filled('\0')],
]

describe.each([markdown, plainText])('$id', (kind) => {
  const chunker = createChunker(kind)

  test.each(texts)('%s', (_, text) => {
    const chunks = chunker.split(text)

    const wellFormed = text.toWellFormed()
    expect(withoutSpace(chunks.map((chunk) => chunk.text).join(''))).toBe(withoutSpace(wellFormed))
    for (const chunk of chunks) {
      expect(chunk.text.length).toBeLessThanOrEqual(1_400)
      expect(chunk.meaning.length).toBeLessThanOrEqual(3_000)
      expect(chunk.text.trim()).not.toBe('')
      expect(chunk.meaning).not.toBe('')
      expect(chunk.text.isWellFormed() && chunk.meaning.isWellFormed()).toBe(true)
    }
  })
})

const withoutSpace = (text: string): string => text.replace(/\s+/g, '')
