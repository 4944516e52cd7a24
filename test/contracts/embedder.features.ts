import { describe } from 'vitest'
import { callingOffFeatures } from './embedder/calling-off.ts'
import { embeddingFeatures } from './embedder/embedding.ts'
import { type EmbedderCapabilities, type EmbedderTarget, useEmbedder } from './embedder/harness.ts'
import { lifecycleFeatures } from './embedder/lifecycle.ts'
import { oddTextFeatures } from './embedder/odd-texts.ts'

export type { EmbedderCapabilities, EmbedderTarget } from './embedder/harness.ts'

/** What every Embedder promises. */
export function embedderFeatures(
  name: string,
  createTarget: () => Promise<EmbedderTarget>,
  capabilities: EmbedderCapabilities,
): void {
  describe(name, () => {
    const subject = useEmbedder(createTarget)

    embeddingFeatures(subject)
    oddTextFeatures(subject)
    callingOffFeatures(subject)
    lifecycleFeatures(subject, capabilities)
  })
}
