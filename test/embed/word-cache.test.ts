import { expect, test } from 'vitest'
import { emptyHash, extendHash, WordCache } from '../../src/embed/word-cache.ts'

function hashOf(word: string): number {
  return [...word].reduce((hash, character) => extendHash(hash, character.charCodeAt(0)), emptyHash)
}

function idsOf(cache: WordCache, word: string): readonly number[] | undefined {
  const number = cache.find(`<${word}>`, 1, word.length + 1, hashOf(word))
  if (number === -1) return undefined
  const ids: number[] = []
  cache.copyTo(ids, number)
  return ids
}

test('a word is found again wherever it stands', () => {
  const cache = new WordCache()
  cache.add('mill', hashOf('mill'), [1, 2])
  cache.add('race', hashOf('race'), [])

  expect(idsOf(cache, 'mill')).toEqual([1, 2])
  expect(idsOf(cache, 'race')).toEqual([])
  expect(idsOf(cache, 'mil')).toBeUndefined()
})

test('words with the same hash are told apart', () => {
  const cache = new WordCache()
  cache.add('mill', 7, [1])
  cache.add('race', 7, [2])

  const found = ['mill', 'race', 'grind'].map((word) => cache.find(word, 0, word.length, 7))

  expect(found).toEqual([0, 1, -1])
})

test.each([
  ['words', (at: number) => `${at}`, 1],
  ['letters', (at: number) => `${at}`.padStart(64, 'x'), 1],
  ['ids', (at: number) => `${at}`, 60],
])('when it is full of %s it starts again, and remembers what came last', (_, wordAt, idCount) => {
  const cache = new WordCache()
  const ids = Array.from({ length: idCount }, (_, at) => at)
  const sizes = new Set<number>()

  for (let at = 0; at < 70_000; at++) {
    cache.add(wordAt(at), hashOf(wordAt(at)), [...ids, at])
    sizes.add(cache.size)
  }

  expect(Math.max(...sizes)).toBeLessThanOrEqual(32_768)
  expect(cache.size).toBeLessThan(70_000)
  expect(idsOf(cache, wordAt(69_999))).toEqual([...ids, 69_999])
  expect(idsOf(cache, wordAt(0))).toBeUndefined()
})
