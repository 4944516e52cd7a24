import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from 'vitest'
import { WordPiece } from '../../src/embed/wordpiece.ts'
import { loadWordPiece } from '../../src/embed/wordpiece-model.ts'
import { StreamError } from '../../src/errors.ts'
import { tokenizerVectors } from '../support/embed-fixtures.ts'

const modelFolder = fileURLToPath(new URL('../../models/all-MiniLM-L6-v2/', import.meta.url))
let tokenizer: WordPiece

beforeAll(async () => {
  const loaded = await loadWordPiece(modelFolder)
  if (!loaded) throw new StreamError('ILLEGAL_STATE', 'the bundled model is no uncased BERT')
  tokenizer = loaded
})

const idsOf = (text: string, maxTokens = 256): readonly number[] => [...tokenizer.encode(text, maxTokens).ids]

describe('the ids of the original tokenizer', () => {
  test.each([
    ['golden', 219],
    ['wordpiece-fuzz', 5_000],
  ] as const)('come out for every text of %s', (name, count) => {
    const vectors = tokenizerVectors(name)

    const wrong = vectors.filter(({ text, ids }) => idsOf(text).join() !== ids.join())

    expect(vectors).toHaveLength(count)
    expect(wrong.slice(0, 3)).toEqual([])
  })

  test('come out again when every word is known', () => {
    const vectors = tokenizerVectors('golden')
    const first = vectors.map(({ text }) => idsOf(text))

    const second = vectors.map(({ text }) => idsOf(text))

    expect(second).toEqual(first)
  })
})

test('the first words of a new tokenizer, which has no map of the vocabulary yet, have the ids that they have later', async () => {
  const text = `constructor toString valueOf __proto__ hasOwnProperty ${'mill ünknown 2026 '.repeat(3)}`
  const first = (await loadWordPiece(modelFolder))?.encode(text, 256).ids
  const later = await loadWordPiece(modelFolder)
  for (const { text: other } of tokenizerVectors('golden')) later?.encode(other, 256)

  expect(first).toEqual(later?.encode(text, 256).ids)
})

test('the first word of a new tokenizer is not tried at every length, however long it may be', () => {
  let lookups = 0
  const vocabulary = new Proxy<Record<string, number>>(
    { a: 3, '##a': 4 },
    { get: (pieces, piece) => ++lookups && pieces[String(piece)] },
  )
  const ids = { unknownId: 0, startId: 1, endId: 2 }
  const fresh = new WordPiece({ vocabulary, addedTokens: new Map(), ...ids, maxWordCharacters: 10_000 })

  const { ids: found } = fresh.encode('a'.repeat(3_000), 5_000)

  expect(found).toHaveLength(3_002)
  expect(lookups).toBeLessThan(2_000)
})

describe('a text that is too long', () => {
  const text = 'mill '.repeat(300)

  test('is cut, keeps its end token and says so', () => {
    const { ids, truncated } = tokenizer.encode(text, 256)

    expect(ids).toHaveLength(256)
    expect(ids.at(-1)).toBe(102)
    expect(truncated).toBe(true)
  })

  test('has all of its tokens when there is no limit', () => {
    expect(idsOf(text, Number.POSITIVE_INFINITY)).toHaveLength(302)
  })

  test('is not called cut when it just fits', () => {
    expect(tokenizer.encode('mill '.repeat(254), 256).truncated).toBe(false)
    expect(tokenizer.encode('mill '.repeat(255), 256).truncated).toBe(true)
  })
})

describe('hostile input', () => {
  test.each([
    ['one word of five million letters', 'a', [101, 100, 102]],
    ['letters that decompose', 'é', [101, 100, 102]],
    ['nothing but control characters', '\u0000', [101, 102]],
    ['nothing but combining marks', '\u0301', [101, 102]],
    ['nothing but lone surrogates', '\ud800', [101, 102]],
  ])('%s ends well', (_, character, ids) => {
    expect(idsOf(character.repeat(5_000_000))).toEqual(ids)
  })

  test('added tokens are found in the raw text and nowhere else', () => {
    expect(idsOf('[MASK]')).toEqual([101, 103, 102])
    expect(idsOf('[mask]')).not.toContain(103)
  })

  test('a word that spells a continuation piece does not become one', () => {
    expect(idsOf('##ing')).toEqual(idsOf('# # ing'))
  })
})
