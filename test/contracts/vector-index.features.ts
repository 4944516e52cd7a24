import { describe } from 'vitest'
import { type IndexCapabilities, type IndexTarget, useIndex } from './vector-index/harness.ts'
import { historyFeatures } from './vector-index/history.ts'
import { lifecycleFeatures } from './vector-index/lifecycle.ts'
import { readingFeatures } from './vector-index/reading.ts'
import { writingFeatures } from './vector-index/writing.ts'

export type { IndexCapabilities, IndexTarget } from './vector-index/harness.ts'

/** What every VectorIndex promises. Points have 8 dimensions; a target is never shared between tests. */
export function vectorIndexFeatures(
  name: string,
  createTarget: () => Promise<IndexTarget>,
  capabilities: IndexCapabilities,
): void {
  describe(name, () => {
    const subject = useIndex(createTarget)

    writingFeatures(subject)
    readingFeatures(subject, capabilities)
    lifecycleFeatures(subject)
    historyFeatures(subject)
  })
}
