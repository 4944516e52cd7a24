import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PlannedApplication } from '../support/planned-application.ts'

const key = fc.constantFrom('a', 'b', 'c', 'd')
/** Few words, so that chunks come and go, and some are the same in several documents. */
const text = fc
  .array(fc.constantFrom('apples are red', 'bees fly', 'clay is soft', 'dust settles'), { minLength: 1, maxLength: 12 })
  .map((sentences) => sentences.map((sentence) => `About ${sentence} there is much more to say.`).join('\n\n'))
const document = fc.record({ text, author: fc.constantFrom('Ann', 'Bob') })
const version = fc.oneof(
  { weight: 8, arbitrary: document },
  { weight: 2, arbitrary: fc.constant(null) },
  { weight: 1, arbitrary: fc.constant('undecodable' as const) },
)
/** What is written before a run, the pipeline of that run, and how it ends. */
const round = fc.record({
  versions: fc.dictionary(key, version, { minKeys: 1 }),
  max: fc.constantFrom(200, 200, 200, 400),
  dimensions: fc.constantFrom(8, 8, 8, 16),
  afterReset: fc.constantFrom(false, false, false, true),
  crash: fc.boolean(),
})

test('a run does what the plan has said: after any runs before, crashes, resets, and with any other pipeline', async () => {
  let embedded = 0
  await fc.assert(
    fc.asyncProperty(fc.array(round, { minLength: 1, maxLength: 4 }), async (rounds) => {
      await using app = await PlannedApplication.start()
      for (const { versions, afterReset, crash, ...choice } of rounds) {
        await app.write(versions)
        // All versions of the past come again, and nothing makes the run recover, which would let the last ones pass alone.
        const isBound = afterReset && app.index.points.size === 0
        const plan = await app.plan({ ...choice, afterReset })
        if (afterReset) await app.reset()
        const run = await app.run({ ...choice, crash })

        if (isBound) expect(run.embeddings.texts).toBeLessThanOrEqual(plan.embeddings.texts)
        else expect(run).toEqual(plan)
        embedded += plan.embeddings.texts
      }
    }),
    { numRuns: 10 },
  )
  expect(embedded).toBeGreaterThan(0)
})
