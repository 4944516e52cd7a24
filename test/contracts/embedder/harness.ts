import { afterAll, beforeAll } from 'vitest'
import type { Embedder } from '../../../src/embed/embedder.ts'
import { cosineOf } from '../../../src/embed/similarity/kernels.ts'

/** Something that embedders can be made for: a model, or a server that runs as long as the suite. */
export interface EmbedderTarget {
  /** A new embedder, not opened. All of a target are the same model. */
  create(): Embedder
  dispose(): Promise<void>
}

export interface EmbedderCapabilities {
  /** Knows nothing and embeds nothing unless it is open. */
  readonly opens: boolean
}

/** The embedder under test as the features see it: one that is open for the whole suite. */
export interface OpenEmbedder {
  readonly embedder: Embedder
  create(): Embedder
  /** The vector of one text. */
  vectorOf(text: string): Promise<Float32Array>
}

export const never = new AbortController().signal

/** Registers the hooks that open one embedder for this `describe`: a model takes its time to load. */
export function useEmbedder(createTarget: () => Promise<EmbedderTarget>): OpenEmbedder {
  let target: EmbedderTarget
  let embedder: Embedder
  beforeAll(async () => {
    target = await createTarget()
    embedder = target.create()
    await embedder.open()
  })
  afterAll(async () => {
    await embedder.close()
    await target.dispose()
  })
  return {
    get embedder() {
      return embedder
    },
    create: () => target.create(),
    async vectorOf(text) {
      const [vector] = await embedder.embed([text], never)
      return vector ?? new Float32Array()
    },
  }
}

/** The least cosine between vectors at the same place. */
export function leastCosine(found: readonly Float32Array[], expected: readonly Float32Array[]): number {
  return Math.min(...found.map((vector, at) => cosineOf(vector, expected[at] ?? new Float32Array(vector.length))))
}

/** The same text in other company: the last bits may differ. */
export const same = 0.99999
