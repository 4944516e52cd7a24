import { systemClock } from '../../clock.ts'
import { HttpConnection } from '../../http-connection.ts'
import { type Embedder, type EmbedderId, type EmbedderStats, type EmbedOptions, inputTypeOf } from '../embedder.ts'
import { SharedOpening } from '../shared-opening.ts'
import type { ApiLimits, EmbeddingApi } from './api.ts'
import type { OpenServers } from './open-servers.ts'
import { type RemoteOptions, urlsOf } from './options.ts'

/** An embedder whose model runs in servers. Its replicas are the devices of an engine; the engine's texts are not tokenized. */
export class RemoteEmbedder implements Embedder {
  readonly #opening: SharedOpening<OpenServers>
  readonly #prefixes: Readonly<Record<'passage' | 'query', string>>

  /** Throws CONFIG_INVALID for addresses and keys that cannot work. */
  constructor(api: EmbeddingApi, options: RemoteOptions, limits: ApiLimits) {
    const { prefix = '', queryPrefix = prefix } = options
    this.#prefixes = { passage: prefix, query: queryPrefix }
    const connections = connect(api, options)
    this.#opening = new SharedOpening(`the embedder of ${api.name}`, async () => {
      // Loaded when it is needed: programs with a model of their own start sooner.
      const { openServers } = await import('./open-servers.ts')
      return openServers({ api, options, limits, connections })
    })
  }

  get id(): EmbedderId {
    return this.#opening.known.id
  }

  get dimensions(): number {
    return this.#opening.known.identity.golden.length
  }

  get maxTokens(): number {
    return this.#opening.known.identity.served.maxTokens
  }

  /** Enough for every request that servers take at a time, and as much again. */
  get textsAtOnce(): number {
    return this.#opening.known.textsAtOnce
  }

  get stats(): EmbedderStats {
    const { engine, replicas } = this.#opening.known
    return { ...engine.stats, tokens: replicas.reduce((sum, { tokens }) => sum + tokens, 0), paddingRatio: 0 }
  }

  open(): Promise<void> {
    return this.#opening.open()
  }

  close(): Promise<void> {
    return this.#opening.close()
  }

  async embed(texts: readonly string[], signal: AbortSignal, options: EmbedOptions = {}): Promise<Float32Array[]> {
    const { engine } = this.#opening.opened
    const prefix = this.#prefixes[inputTypeOf(options)]
    return engine.embed(prefix === '' ? texts : texts.map((text) => prefix + text), signal, options)
  }
}

function connect({ name }: EmbeddingApi, options: RemoteOptions): readonly HttpConnection[] {
  const { apiKey, headers = {}, clock = systemClock, requestTimeoutMs = 60_000 } = options
  const authorization = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` }
  return urlsOf(options.urls).map(
    (url) =>
      new HttpConnection({
        name,
        url,
        headers: { ...headers, ...authorization },
        apiKey,
        clock,
        requestTimeoutMs,
        unreachable: 'EMBED_FAILED',
      }),
  )
}
