import { expect, test } from 'vitest'
import { hash } from '../../src/embed/hash.ts'
import { onnx } from '../../src/embed/onnx.ts'
import { tokenLimit } from '../../src/embed/token-limit.ts'

const counting = { id: 'counting', maxTokens: 3, countTokens: (text: string) => text.split(' ').length }

test('what fits has as many tokens as the model reads, and not one more', () => {
  const limit = tokenLimit(counting)

  expect(limit.fits('one two three')).toBe(true)
  expect(limit.fits('one two three four')).toBe(false)
})

test.each([
  ['that has no limit', hash()],
  ['that cannot count', { ...counting, countTokens: undefined }],
])('everything fits an embedder %s', (_, embedder) => {
  expect(tokenLimit(embedder).fits('word '.repeat(10_000))).toBe(true)
})

test('another embedder and another limit are told apart', () => {
  const ids = [counting, { ...counting, id: 'other' }, { ...counting, maxTokens: 4 }].map((one) => tokenLimit(one).id)

  expect(new Set(ids).size).toBe(ids.length)
})

test('can be made before the embedder is open, and says so when it is asked too early', async () => {
  const model = onnx({ model: 'all-MiniLM-L6-v2', workers: 1 })
  const limit = tokenLimit(model)
  expect(() => limit.fits('early')).toThrow(expect.objectContaining({ code: 'ILLEGAL_STATE' }))
  await model.open()

  // 254 words, the first and the last token.
  expect(limit.fits('mill '.repeat(254))).toBe(true)
  expect(limit.fits('mill '.repeat(255))).toBe(false)
  await model.close()
})
