import { describe, expect, test } from 'vitest'
import { checkCode } from '../protocol/mutation.ts'

/**
 * Random courses of events on the real runtime: see test/protocol/script.ts for what may happen, verdict.ts for what must hold at the end.
 * A failure prints the script and what it caused; `node test/protocol/main.ts --seed N` plays it again.
 */
describe('after any course of crashes, hand-overs, failures and compaction', () => {
  const random = Math.floor(Math.random() * 2 ** 31)

  test.concurrent.each([1, random])(
    'the index equals the latest documents, manifests equal the index, offsets and versions never go back (seed %i)',
    async (seed) => {
      const verdict = await checkCode({ seed, runs: 1_000, shrink: true })

      expect(verdict.faults, verdict.output).toEqual([])
      expect(verdict.runs).toBe(1_000)
    },
    300_000,
  )
})
