import { expect, test } from 'vitest'
import { hashOfLeadingWords } from '../../../src/operators/chunker/leading-words.ts'

const hashOf = (text: string): number => hashOfLeadingWords(text, 0, text.length)

test('depends on the first three words, whatever their case and the marks around them', () => {
  const hash = hashOf('The first words decide.')

  expect(hashOf('  **the** [first](words "decide")')).toBe(hash)
  expect(hashOf('The first words do not tell all')).toBe(hash)
  expect(hashOf('The first word decides.')).not.toBe(hash)
  expect(hashOf('Thefirst words decide.')).not.toBe(hash)
})

test('depends on nothing outside of its range', () => {
  expect(hashOfLeadingWords('one two three', 4, 7)).toBe(hashOf('two'))
})

test('is spread over 0 to 1, end excluded', () => {
  const hashes = Array.from({ length: 1_000 }, (_, i) => hashOf(`word ${i}`))

  expect(Math.min(...hashes)).toBeGreaterThanOrEqual(0)
  expect(Math.max(...hashes)).toBeLessThan(1)
  expect(hashes.filter((hash) => hash < 0.5).length / hashes.length).toBeCloseTo(0.5, 1)
  expect(new Set(hashes).size).toBe(1_000)
})
