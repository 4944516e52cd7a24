import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createChunker } from '../../src/operators/chunker/chunker.ts'
import { markdown } from '../../src/operators/chunker/markdown.ts'
import { markdownBlocks } from '../../src/operators/chunker/markdown-blocks.ts'
import { plainText } from '../../src/operators/chunker/plain-text.ts'

/** Text made of what means something in Markdown, and of what breaks naive code. */
const mark = fc.constantFrom(
  ...[
    '# ',
    '## ',
    '- ',
    '1. ',
    '> ',
    '    ',
    '\t',
    '```',
    '~~~\n',
    '`',
    '|',
    '|-|-|\n',
    '---\n',
    '===\n',
    '<!--',
    '-->',
    '<b>',
    '<pre>',
  ],
  ...[
    '[a](b)',
    '[',
    '](',
    '![',
    '[a]: b\n',
    '*',
    '**',
    '_',
    '\\',
    '&amp;',
    '{#a}',
    '. ',
    '! ',
    '? ',
    '。',
    '漢字',
    '😀',
    '\uFFFD',
  ],
  ...['\n', '\n\n', '\r\n', '\r', ' ', '\u00A0', '\uFEFF', '\u2028', '\0', '\uD800', '\uDC00'],
)
const word = fc.stringMatching(/^[A-Za-z]{1,9}$/)
const hostileText = fc
  .array(
    fc.oneof({ weight: 2, arbitrary: mark }, { weight: 2, arbitrary: word.map((text) => `${text} `) }, fc.string()),
    { maxLength: 120 },
  )
  .map((parts) => parts.join(''))

const sentence = fc.array(word, { minLength: 4, maxLength: 14 }).map((words) => `The ${words.join(' ')}.`)
const paragraph = fc.array(sentence, { minLength: 1, maxLength: 8 }).map((sentences) => sentences.join(' '))
const block = fc.oneof(
  { weight: 4, arbitrary: paragraph },
  {
    weight: 1,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: 4 }), word).map(([level, text]) => `${'#'.repeat(level)} ${text}`),
  },
  {
    weight: 1,
    arbitrary: fc.array(word, { minLength: 1, maxLength: 40 }).map((lines) => `\`\`\`\n${lines.join('\n')}\n\`\`\``),
  },
)
const blocks = fc.array(block, { minLength: 60, maxLength: 120 })

const sizes = fc
  .integer({ min: 2, max: 60 })
  .chain((max) => fc.record({ min: fc.integer({ min: 0, max: Math.floor(max / 2) }), max: fc.constant(max) }))
const kind = fc.constantFrom(markdown, plainText)
const withoutSpace = (text: string): string => text.replace(/\s+/g, '')

describe('for every text', () => {
  test('the chunks are the text, white space aside, and none is longer than max', () => {
    fc.assert(
      fc.property(hostileText, sizes, kind, (text, settings, kind) => {
        const chunks = createChunker(kind, settings).split(text)

        expect(withoutSpace(chunks.map((chunk) => chunk.text).join(''))).toBe(withoutSpace(text.toWellFormed()))
        for (const chunk of chunks) {
          expect(chunk.text.length).toBeLessThanOrEqual(settings.max)
          expect(chunk.text.trim()).not.toBe('')
          expect(chunk.text.isWellFormed() && chunk.meaning.isWellFormed()).toBe(true)
          expect(chunk.meaning.trim()).not.toBe('')
        }
      }),
      {
        numRuns: 500,
        examples: [
          ['。😀', { min: 0, max: 2 }, markdown],
          ['a😀', { min: 0, max: 2 }, markdown],
        ],
      },
    )
  })

  test('chunks are at least min long, but for texts that are shorter', () => {
    fc.assert(
      fc.property(blocks, (parts) => {
        const chunks = createChunker(markdown, { min: 100, max: 400 }).split(parts.join('\n\n'))

        // A cut may fall into white space, which then belongs to no chunk.
        if (chunks.length > 1) for (const { text } of chunks) expect(text.length).toBeGreaterThanOrEqual(98)
      }),
      { numRuns: 100 },
    )
  })

  test('the same text gives the same chunks, whatever was cut before', () => {
    const chunker = createChunker(markdown, { min: 10, max: 40 })

    fc.assert(
      fc.property(hostileText, hostileText, (text, other) => {
        const first = chunker.split(text)
        chunker.split(other)

        expect(chunker.split(text)).toEqual(first)
        expect(createChunker(markdown, { min: 10, max: 40 }).split(text)).toEqual(first)
      }),
    )
  })

  test('every chunk fits a limit that a single character fits', () => {
    const limit = { id: 'words', fits: (meaning: string) => meaning.length <= 30 }

    fc.assert(
      fc.property(hostileText, (text) => {
        const chunks = createChunker(plainText, { min: 5, max: 50, limit }).split(text)

        for (const { meaning } of chunks) expect(limit.fits(meaning)).toBe(true)
      }),
    )
  })

  test('blocks follow one another without losing a character', () => {
    fc.assert(
      fc.property(hostileText, (text) => {
        const found = markdownBlocks(text)

        expect(text.slice(0, found[0]?.start ?? text.length).trim()).toBe('')
        for (const [i, { start, end, content }] of found.entries()) {
          expect(end).toBe(found[i + 1]?.start ?? text.length)
          expect(start).toBeLessThan(end)
          expect(start <= content.start && content.start <= content.end && content.end <= end).toBe(true)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('a paragraph put at the top leaves almost all chunks as they are', () => {
    const chunker = createChunker(markdown)
    let kept = 0
    let all = 0

    fc.assert(
      fc.property(blocks, paragraph, (parts, inserted) => {
        const before = chunker.split(parts.join('\n\n')).map(({ text }) => text)
        const after = new Set(chunker.split([inserted, ...parts].join('\n\n')).map(({ text }) => text))
        kept += before.filter((text) => after.has(text)).length
        all += before.length
      }),
    )

    expect(kept / all).toBeGreaterThan(0.9)
  })
})
