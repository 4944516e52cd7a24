import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { anyOf, fuse, searchable, termsOf } from '../../../../src/connectors/embedded/sqlite/search.ts'

describe('the full-text query', () => {
  test('joins the quoted words by OR, each once', () => {
    expect(anyOf(termsOf('Error: can\'t OPEN "open" (x)'))).toBe('"error" OR "can" OR "t" OR "open" OR "x"')
  })

  test('has no words for a text without any', () => {
    expect(termsOf(' \n?!"*()')).toEqual([])
  })

  test('keeps the words of a very long text within bounds', () => {
    const text = Array.from({ length: 1_000 }, (_, i) => `word${i}`).join(' ')

    expect(termsOf(text)).toHaveLength(64)
  })

  test('takes scripts without spaces for pairs of characters, and for one that stands alone', () => {
    const terms = termsOf('Kafka\u5165\u9580\u66f8 \u6c34')

    expect(terms).toEqual(['kafka', '\u5165\u9580', '\u9580\u66f8', '\u6c34'])
    expect(anyOf(terms)).toBe('"kafka" OR "\u5165\u9580" OR "\u9580\u66f8" OR "\u6c34"*')
    expect(searchable('Kafka\u5165\u9580\u66f8, \u6c34!').split(/ +/)).toEqual([
      'Kafka',
      '\u5165\u9580',
      '\u9580\u66f8',
      '\u66f8',
      ',',
      '\u6c34',
      '!',
    ])
  })

  test('FTS5 takes what comes of any text', () => {
    using database = new DatabaseSync(':memory:')
    database.exec("CREATE VIRTUAL TABLE texts USING fts5 (text); INSERT INTO texts VALUES ('a')")
    const search = database.prepare('SELECT rowid FROM texts WHERE texts MATCH ?')

    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' })), (text) => {
        const terms = termsOf(text)
        if (terms.length > 0) search.all(anyOf(terms))
      }),
    )
  })
})

describe('reciprocal rank fusion', () => {
  test('puts a row that both lists hold before the first of either', () => {
    const fused = fuse(
      [
        [1, 2, 3],
        [4, 2, 5],
      ],
      10,
    )

    expect(fused.map(({ row }) => row)).toEqual([2, 1, 4, 3, 5])
    expect(fused[0]?.score).toBeCloseTo(2 / 12)
  })

  test('returns no more than asked for', () => {
    expect(fuse([[1, 2, 3], []], 2)).toHaveLength(2)
  })
})
