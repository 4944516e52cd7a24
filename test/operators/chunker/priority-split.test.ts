import { describe, expect, test } from 'vitest'
import { markdownBlocks } from '../../../src/operators/chunker/markdown-blocks.ts'
import { prioritySplit, type SplitSettings } from '../../../src/operators/chunker/priority-split.ts'

function partsOf(text: string, settings: SplitSettings): string[] {
  return prioritySplit(text, markdownBlocks(text), settings).map(({ start, end }) => text.slice(start, end))
}

/** Different words, so that the text has no two equal places. */
const words = (count: number, seed = 1): string =>
  Array.from({ length: count }, (_, i) => ((i + 1) * seed * 7919).toString(36)).join(' ')

describe('a text', () => {
  test('that is not longer than max stays whole, without the white space around it', () => {
    expect(partsOf('\n\na\n\nb  \n', { min: 2, max: 4 })).toEqual(['a\n\nb'])
  })

  test('without anything visible has no parts', () => {
    expect(partsOf(' \n\n ', { min: 2, max: 4 })).toEqual([])
  })

  test('is cut before its highest heading', () => {
    const text = `# A\n\n${words(12)}\n\n### B\n\n${words(12, 3)}\n\n## C\n\n${words(12, 5)}\n\n### D\n\n${words(12, 7)}`

    const parts = partsOf(text, { min: 20, max: text.length - 1 })

    expect(parts.map((part) => part.slice(0, 5).trim())).toEqual(['# A', '## C'])
  })

  test('is cut before a block rather than between two sentences', () => {
    const text = `One sentence. Another sentence here.\n\n${words(8)}`

    expect(partsOf(text, { min: 10, max: 60 })).toEqual(['One sentence. Another sentence here.', words(8)])
  })

  test('is cut between two sentences rather than behind its heading', () => {
    const text = `## A heading of some length\n\nThe ${words(10)}. A ${words(10, 3)}.`

    const parts = partsOf(text, { min: 40, max: text.length - 1 })

    expect(parts).toEqual([`## A heading of some length\n\nThe ${words(10)}.`, `A ${words(10, 3)}.`])
  })

  test('is not cut nearer than min to an end, even if the best places are there', () => {
    const text = `## A\n\nShort.\n\n${words(20)}.\n\n## B\n\nShort.`

    const parts = partsOf(text, { min: 40, max: 100 })

    expect(parts.length).toBeGreaterThan(1)
    for (const part of parts) expect(part.length).toBeGreaterThanOrEqual(40)
  })

  test('has its fences cut only where nothing else can be', () => {
    const fence = `\`\`\`\n${words(10)}\n${words(10, 3)}\n\`\`\``
    const text = `${words(10)}.\n\n${fence}\n\n${words(10, 5)}.`

    const parts = partsOf(text, { min: 20, max: fence.length + 20 })

    expect(parts.some((part) => part.includes(fence))).toBe(true)
  })

  test('has a longer fence cut between its lines, best behind a blank one', () => {
    const body = Array.from({ length: 6 }, (_, i) => `${words(4, i + 2)}\n  ${words(4, i + 20)}`)
    const text = `\`\`\`\n${body.slice(0, 3).join('\n')}\n\n${body.slice(3).join('\n')}\n\`\`\``

    const parts = partsOf(text, { min: 30, max: text.length - 10 })

    expect(parts).toEqual([text.slice(0, text.indexOf('\n\n')), text.slice(text.indexOf('\n\n') + 2)])
  })

  test('of one long word is cut between characters, never inside one', () => {
    const parts = partsOf('😀'.repeat(1_000), { min: 10, max: 75 })

    expect(parts.join('')).toBe('😀'.repeat(1_000))
    for (const part of parts) expect(part.length % 2).toBe(0)
  })

  test('is cut until every part fits, down to a single character', () => {
    const text = 'abc def 😀 ghi'

    const parts = partsOf(text, { min: 200, max: 1_400, fits: () => false })

    expect(parts).toEqual([...text.replaceAll(' ', '')])
  })

  test('keeps what does not fit as whole as it can be', () => {
    const text = 'One sentence. Two is longer. Three.'

    const parts = partsOf(text, { min: 200, max: 1_400, fits: ({ start, end }) => end - start <= 30 })

    expect(parts).toEqual(['One sentence.', 'Two is longer. Three.'])
  })
})

describe('an edit', () => {
  const paragraphs = Array.from({ length: 80 }, (_, i) => `${words(25, i + 1)}. ${words(10, i + 200)}.`)
  const settings = { min: 200, max: 1_400 }
  const before = new Set(partsOf(paragraphs.join('\n\n'), settings))
  const changed = (parts: readonly string[]) => parts.filter((part) => !before.has(part)).length

  test('at the top leaves the parts below as they are', () => {
    const after = partsOf(['A new first paragraph.', ...paragraphs].join('\n\n'), settings)

    expect(changed(after)).toBeLessThanOrEqual(2)
  })

  test('in the middle touches the parts around it', () => {
    const after = partsOf(paragraphs.with(40, `${paragraphs[40]} A new sentence.`).join('\n\n'), settings)

    expect(changed(after)).toBeLessThanOrEqual(2)
  })
})
