import { describe, expect, test } from 'vitest'
import { type ChunkerSettings, createChunker } from '../../../src/operators/chunker/chunker.ts'
import { markdown } from '../../../src/operators/chunker/markdown.ts'
import { plainText } from '../../../src/operators/chunker/plain-text.ts'

const split = (text: string, title?: string, settings: ChunkerSettings = {}) =>
  createChunker(markdown, settings).split(text, title)

const sentence = (about: string): string => `${`A sentence about ${about} that says something. `.repeat(16).trim()}`

describe('a chunk', () => {
  test('says its heading path, then its plain text; its text is as it was written', () => {
    const [chunk] = split('# Guide\n\n**Read** [this](a.md).\n')

    expect(chunk).toEqual({
      text: '# Guide\n\n**Read** [this](a.md).',
      heading: 'Guide',
      meaning: 'Guide\nRead this.',
    })
  })

  test('carries the headings in force where it starts', () => {
    const text = `# Guide\n\n${sentence('the guide')}\n\n## Routing\n\n### Errors\n\n${sentence('errors')}\n\n${sentence('more errors')}\n\n## Plugins\n\n${sentence('plugins')}`

    const chunks = split(text)

    expect(chunks.map(({ heading }) => heading)).toEqual([
      'Guide',
      'Guide > Routing > Errors',
      'Guide > Routing > Errors',
      'Guide > Plugins',
    ])
    for (const { heading, meaning } of chunks) {
      expect(meaning.startsWith(`${heading}\nA sentence about`)).toBe(true)
    }
  })

  test('does not lose headings that are not above one another', () => {
    expect(split('## A\n## B\n\ntext')[0]?.meaning).toBe('A\nB text')
  })

  test('of a heading alone says the heading', () => {
    expect(split('# Guide')).toEqual([{ text: '# Guide', heading: 'Guide', meaning: 'Guide' }])
  })

  test('of markup alone stands for itself', () => {
    expect(split('<!-- a comment -->')[0]?.meaning).toBe('<!-- a comment -->')
  })

  test('has an endless heading shortened in its path, and whole in its text', () => {
    const heading = 'endless '.repeat(1_000).trim()

    const chunks = split(`# ${heading}\n\ntext`)

    expect(chunks.length).toBeGreaterThan(5)
    for (const chunk of chunks) {
      expect(chunk.heading.length).toBeLessThanOrEqual(120)
      expect(chunk.meaning.length).toBeLessThanOrEqual(1_600)
    }
    expect(chunks.map(({ meaning }) => meaning.slice(meaning.indexOf('\n') + 1)).join(' ')).toBe(`${heading} text`)
  })
})

describe('a title', () => {
  test('comes before the headings', () => {
    expect(split('# Routing\n\ntext', 'The  Guide')[0]).toMatchObject({
      heading: 'The Guide > Routing',
      meaning: 'The Guide > Routing\ntext',
    })
  })

  test('stands alone where there are no headings', () => {
    expect(split('text', 'Guide')[0]?.meaning).toBe('Guide\ntext')
  })

  test.each(['# The *Guide*\n\ntext', '---\na: b\n---\n\n# the guide\n\ntext'])('is not said twice: %j', (text) => {
    expect(split(text, 'The Guide')[0]?.heading).not.toContain('>')
  })

  test('that is empty is none', () => {
    expect(split('text', ' ')[0]?.meaning).toBe('text')
  })
})

describe('a limit on the meaning', () => {
  const text = `# Guide\n\n${sentence('one')}\n\n${sentence('two')}`

  test('cuts on what does not fit, and nothing else', () => {
    const fits = (meaning: string) => !meaning.includes('two') || meaning.length <= 300

    const chunks = split(text, undefined, { limit: { id: 'test', fits } })

    expect(chunks.filter(({ meaning }) => meaning.includes('one'))).toHaveLength(1)
    expect(chunks.filter(({ meaning }) => meaning.includes('two')).length).toBeGreaterThan(2)
    for (const { meaning } of chunks) expect(fits(meaning)).toBe(true)
  })

  test('does not cut on what is mostly headings', () => {
    const fits = (meaning: string) => meaning.length <= 300

    const below = (heading: string) =>
      split(`# ${heading}\n\n## ${heading}\n\n${sentence('one')}`, undefined, { limit: { id: 'test', fits } }).filter(
        ({ text }) => text.includes('one'),
      )

    expect(below('h'.repeat(50)).length).toBeGreaterThan(2)
    expect(below('h'.repeat(100))).toHaveLength(1)
  })

  test('is a part of the identity, as the sizes and the kind are', () => {
    const limit = { id: 'tokens-254', fits: () => true }
    const ids = [
      createChunker(markdown).id,
      createChunker(plainText).id,
      createChunker(markdown, { min: 100 }).id,
      createChunker(markdown, { max: 1_000 }).id,
      createChunker(markdown, { limit }).id,
    ]

    expect(new Set(ids).size).toBe(ids.length)
    expect(createChunker(markdown, { min: 200, max: 1_400 }).id).toBe(ids[0])
  })
})

test.each([
  [200, 300],
  [-1, 100],
  [0, 0],
  [Number.NaN, 100],
])('sizes that contradict each other are refused: %d to %d', (min, max) => {
  expect(() => createChunker(markdown, { min, max })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }))
})

test('plain text has paragraphs and no markup', () => {
  const [chunk] = createChunker(plainText).split('# not a heading\n\n*not* emphasis')

  expect(chunk).toEqual({
    text: '# not a heading\n\n*not* emphasis',
    heading: '',
    meaning: '# not a heading *not* emphasis',
  })
})
