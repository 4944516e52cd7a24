import { afterEach, expect, test } from 'vitest'
import { closeEngines, engineWith } from '../support/engines.ts'
import { FakeDevice, settle } from '../support/fake-device.ts'

const never = new AbortController().signal
const inputType = 'query'
/** Two texts of four characters fill a batch, sixteen the window. */
const small = { maxBatchTokens: 8, windowTexts: 16 }

const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, at) => letter + String(at).padStart(3, '0'))

afterEach(closeEngines)

test.each([
  ['comes while hundreds of passages wait', 300, 'what'],
  ['equals a passage that waits', 16, 'p015'],
])('a question that %s is answered with the next batches', async (_, passages, question) => {
  const device = new FakeDevice()
  const { engine } = engineWith([device], small)
  engine.embed(numbered('p', passages), never).catch(() => undefined)
  await settle()
  const underWay = device.batches.length

  const answer = engine.embed([question], never, { inputType })
  for (let batch = 0; batch < underWay + 2; batch++) {
    await settle()
    device.finishNext()
  }

  expect(await answer).toHaveLength(1)
})

test('passages and questions take turns, so that neither waits for the last of the others', async () => {
  const device = new FakeDevice({ automatic: true })
  const { engine } = engineWith([device], small)

  await Promise.all([
    engine.embed(numbered('p', 100), never),
    ...numbered('q', 200).map((question) => engine.embed([question], never, { inputType })),
  ])

  const order = device.batches.flat().map((text) => text[0])
  expect(order.indexOf('q')).toBeLessThan(order.lastIndexOf('p'))
  expect(order.lastIndexOf('p')).toBeLessThan(order.lastIndexOf('q'))
})

test('a type of input that there is not is refused, and leaves nothing behind', async () => {
  const { engine } = engineWith([new FakeDevice({ automatic: true })])
  const abort = new AbortController()

  const options = JSON.parse('{ "inputType": "document" }')
  await expect(engine.embed(['mill'], abort.signal, options)).rejects.toThrow(
    'inputType must be passage or query, not document',
  )
  abort.abort()

  expect(engine.stats.waitingTexts).toBe(0)
})
