import { type FakeModel, fakeModel } from './model.ts'
import { ollamaDialect } from './ollama.ts'
import { type OpenAiHabits, openAiDialect } from './open-ai.ts'
import { FakeEmbeddingServer, type FakeServerOptions } from './server.ts'
import { type TeiLimits, teiDialect } from './tei.ts'

export { fakeModel, vectorOf } from './model.ts'
export { quotaExceeded, rateLimited } from './open-ai.ts'
export type { FakeEmbeddingServer } from './server.ts'
export { teiOverloaded } from './tei.ts'

type Given = Partial<FakeServerOptions> & { readonly model?: FakeModel }

async function started(server: FakeEmbeddingServer): Promise<FakeEmbeddingServer> {
  await server.start()
  return server
}

export function startTei({ model = fakeModel(), ...given }: Given & TeiLimits = {}): Promise<FakeEmbeddingServer> {
  return started(new FakeEmbeddingServer(teiDialect(given), { ...given, model }))
}

export function startOpenAi({
  model = fakeModel(),
  ...given
}: Given & OpenAiHabits = {}): Promise<FakeEmbeddingServer> {
  return started(new FakeEmbeddingServer(openAiDialect(given), { ...given, model }))
}

export function startOllama({ model = fakeModel(), ...given }: Given = {}): Promise<FakeEmbeddingServer> {
  return started(new FakeEmbeddingServer(ollamaDialect, { ...given, model }))
}
