import { describe, expect, test } from 'vitest'
import { mutants } from '../protocol/mutants.ts'
import { checkMutant } from '../protocol/mutation.ts'

/** Scripts that are played against a mutant at most. */
const bound = 3_000

describe('the property test of the commit protocol', () => {
  test.concurrent.each(mutants)(
    'fails when $name',
    async (mutant) => {
      const verdict = await checkMutant(mutant, { seed: 1, runs: bound })

      expect(verdict.faults, `green after ${verdict.runs} runs`).not.toEqual([])
    },
    300_000,
  )

  test.concurrent('passes on a copy without a change', async () => {
    const verdict = await checkMutant({ name: 'nothing is changed', patches: [] }, { seed: 1, runs: 100 })

    expect(verdict.faults, verdict.output).toEqual([])
  }, 300_000)

  test.concurrent('is not fooled by a patch that does not fit', async () => {
    const patch = { file: 'src/runtime/commit/checkpoint.ts', find: 'await', replacement: '' }

    const checking = checkMutant({ name: 'a word that is there many times', patches: [patch] }, { seed: 1, runs: 1 })

    await expect(checking).rejects.toThrow(/src\/runtime\/commit\/checkpoint.ts has this \d+ times, instead of once/)
  })
})
