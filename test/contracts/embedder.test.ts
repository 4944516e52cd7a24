import { cached } from '../../src/embed/cache/cached.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { hash } from '../../src/embed/hash.ts'
import { onnx } from '../../src/embed/onnx.ts'
import { ollama } from '../../src/embed/remote/ollama.ts'
import { openAiCompatible } from '../../src/embed/remote/open-ai-compatible.ts'
import { tei } from '../../src/embed/remote/tei.ts'
import {
  type FakeEmbeddingServer,
  fakeModel,
  startOllama,
  startOpenAi,
  startTei,
} from '../support/embedding-servers/index.ts'
import { type EmbedderTarget, embedderFeatures } from './embedder.features.ts'

async function local(create: () => Embedder): Promise<EmbedderTarget> {
  return { create, dispose: async () => undefined }
}

/** Two replicas. */
async function remote(
  start: () => Promise<FakeEmbeddingServer>,
  create: (urls: readonly string[]) => Embedder,
): Promise<EmbedderTarget> {
  const servers = await Promise.all([start(), start()])
  const urls = servers.map(({ url }) => url)
  return {
    create: () => create(urls),
    dispose: async () => {
      await Promise.all(servers.map((server) => server.stop()))
    },
  }
}

const model = fakeModel({ name: 'embedder-small' })

embedderFeatures('Embedder of hashed words', () => local(() => hash()), { opens: false })

embedderFeatures(
  'Embedder that remembers',
  () =>
    remote(
      () => startTei({ model }),
      (urls) => cached(tei({ urls })),
    ),
  { opens: true },
)

embedderFeatures('Embedder on ONNX Runtime', () => local(() => onnx({ model: 'all-MiniLM-L6-v2', workers: 1 })), {
  opens: true,
})

embedderFeatures(
  'Embedder on Text Embeddings Inference',
  () =>
    remote(
      () => startTei({ model }),
      (urls) => tei({ urls }),
    ),
  { opens: true },
)

embedderFeatures(
  'Embedder on the OpenAI API',
  () =>
    remote(
      () => startOpenAi({ model }),
      (urls) => openAiCompatible({ urls: urls.map((url) => `${url}/v1`), model: model.name }),
    ),
  { opens: true },
)

embedderFeatures(
  'Embedder on Ollama',
  () =>
    remote(
      () => startOllama({ model }),
      (urls) => ollama({ urls, model: model.name }),
    ),
  { opens: true },
)
