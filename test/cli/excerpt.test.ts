import { describe, expect, test } from 'vitest'
import { excerptOf } from '../../src/cli/excerpt.ts'

const filler = 'These words stand around the place and tell nothing at all. '
const long = (telling: string) => `${filler.repeat(8)}${telling} ${filler.repeat(8)}`

describe('an excerpt', () => {
  test('is the whole of a short text, on one line', () => {
    expect(excerptOf('  a\n\n| b |\tc ', 'c')).toBe('a | b | c')
  })

  test('is the passage with the most words that were looked for', () => {
    const text = `${long('A release.')}${long('To roll back a release, move the tag.')}`

    const excerpt = excerptOf(text, 'How do I roll back a release?')

    expect(excerpt).toContain('To roll back a release, move the tag.')
    expect(excerpt).toMatch(/^\.\.\. \S.*\S \.\.\.$/)
    expect(excerpt.length).toBeLessThanOrEqual(250)
  })

  test.each([
    ['another form of the word', 'Releasing is done by hand.', 'release'],
    ['upper case and accents', 'The CAFÉ is open.', 'cafe'],
    ['a script without spaces', '東京都の天気は晴れです。', '天気'],
    ['only short words', 'an ox is here', 'ox'],
  ])('shows %s', (_, telling, query) => {
    expect(excerptOf(long(telling), query)).toContain(telling)
  })

  test('is the beginning of a chunk that only its vector found', () => {
    expect(excerptOf(long('A release.'), 'publish the product')).toMatch(/^These words stand .* \.\.\.$/)
  })

  test('is the beginning when that shows as much', () => {
    expect(excerptOf(`A release. ${long('A release.')}`, 'release')).toMatch(/^A release\. These words/)
  })

  test('ends with the text when the words stand there', () => {
    expect(excerptOf(`${filler.repeat(8)}The release.`, 'release')).toMatch(/^\.\.\. .*The release\.$/)
  })

  test('cuts no character in two where there is no space', () => {
    const excerpt = excerptOf(`${'🙂'.repeat(300)}東京${'🙂'.repeat(301)}`, '東京')

    expect(excerpt.isWellFormed()).toBe(true)
    expect(excerpt).toContain('東京')
  })
})
