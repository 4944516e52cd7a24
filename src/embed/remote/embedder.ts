import { createHash } from 'node:crypto'
import { systemClock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { HttpConnection } from '../../http-connection.ts'
import { silentLogger } from '../../logger.ts'
import type { Embedder, EmbedderId, EmbedderStats, EmbedOptions } from '../embedder.ts'
import { EmbeddingEngine } from '../engine.ts'
import { SharedOpening } from '../shared-opening.ts'
import type { EmbeddingApi } from './api.ts'
import { EmbeddingClient } from './client.ts'
import { differenceOf, type Identity } from './identity.ts'
import { type RemoteOptions, urlsOf } from './options.ts'
import { Replica } from './replica.ts'

/** What an API takes at most, unless the options say less. */
export interface ApiLimits {
  readonly maxConcurrentRequests: number
  readonly maxBatchTexts: number
  readonly maxBatchCharacters: number
}

interface Opened {
  readonly id: EmbedderId
  readonly identity: Identity
  readonly engine: EmbeddingEngine<string>
  readonly replicas: readonly Replica[]
  readonly textsAtOnce: number
  close(): Promise<void>
}

/** An embedder whose model runs in servers. Its replicas are the devices of an engine; the engine's texts are not tokenized. */
export class RemoteEmbedder implements Embedder {
  readonly #opening: SharedOpening<Opened>
  readonly #prefixes: Readonly<Record<'passage' | 'query', string>>

  /** Throws CONFIG_INVALID for addresses and keys that cannot work. */
  constructor(api: EmbeddingApi, options: RemoteOptions, limits: ApiLimits) {
    const { prefix = '', queryPrefix = prefix } = options
    this.#prefixes = { passage: prefix, query: queryPrefix }
    const connections = connect(api, options)
    this.#opening = new SharedOpening(`the embedder of ${api.name}`, () =>
      openServers({ api, options, limits, connections }),
    )
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
    const prefix = this.#prefixes[options.inputType ?? 'passage']
    return engine.embed(prefix === '' ? texts : texts.map((text) => prefix + text), signal, options)
  }
}

interface Setup {
  readonly api: EmbeddingApi
  readonly options: RemoteOptions
  readonly limits: ApiLimits
  readonly connections: readonly HttpConnection[]
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

async function openServers({ api, options, limits, connections }: Setup): Promise<Opened> {
  const { clock = systemClock, logger = silentLogger, normalize = true, prefix = '', random = Math.random } = options
  const redact = redacting(options)
  const { maxBatchTexts = limits.maxBatchTexts, maxConcurrentRequests = limits.maxConcurrentRequests } = options
  const clients = connections.map(
    (connection) => new EmbeddingClient({ api, connection, normalize, prefix, maxBatchTexts, redact, clock }),
  )
  const replicas = clients.map((client) => new Replica(client, { clock, logger, random }))
  const closeReplicas = async () => {
    for (const replica of replicas) replica.close()
  }
  try {
    const identity = await introduceAll(replicas)
    const { served, golden } = identity
    checkDimensions(golden.length, options.dimensions)
    // One of the texts of a request is the golden one.
    const textsOfBatch = Math.max(1, Math.min(maxBatchTexts, served.maxBatchTexts) - 1)
    const engine = new EmbeddingEngine<string>({
      devices: replicas,
      // What UTF-8 has no bytes for travels as the replacement character.
      encode: (texts) => texts.map((text) => ({ ids: text.toWellFormed(), truncated: false })),
      dimensions: golden.length,
      clock,
      maxBatchTokens: options.maxBatchCharacters ?? limits.maxBatchCharacters,
      maxBatchTexts: textsOfBatch,
      // Servers form batches of their own: here length is no reason to part texts.
      maxPaddingTokens: Number.POSITIVE_INFINITY,
      windowTexts,
      maxBatchesPerDevice: maxConcurrentRequests,
      refusedParts: 2,
      ...(options.maxWaitMs !== undefined && { maxWaitMs: options.maxWaitMs }),
    })
    const close = () => {
      engine.close()
      return closeReplicas()
    }
    const textsAtOnce = 2 * replicas.length * maxConcurrentRequests * Math.min(textsOfBatch, textsOfUsualBatch)
    return { id: idOf(api, identity, options), identity, engine, replicas, textsAtOnce, close }
  } catch (error) {
    await closeReplicas()
    throw error
  }
}

/** A request of OpenAI's largest size fits in. */
const windowTexts = 2_048
/** Chunks of the usual size that fit into the characters of a request. */
const textsOfUsualBatch = 64

/**
 * Asks every server who it is. Those that do not answer are left out until they do; there is nobody to start with when none does. What
 * only a person can mend is thrown: a missing key, a missing model, or servers with different models.
 */
async function introduceAll(replicas: readonly Replica[]): Promise<Identity> {
  const outcomes = await Promise.allSettled(replicas.map((replica) => replica.introduce()))
  const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [outcome.reason as unknown] : []))
  const settled = refusals.find((error) => !isStreamError(error) || error.reaction !== 'retry')
  if (settled !== undefined) throw settled
  const identities = outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : undefined))
  const first = identities.findIndex((identity) => identity !== undefined)
  const identity = identities[first]
  if (!identity) throw refusals[0]
  for (const [at, replica] of replicas.entries()) {
    const found = identities[at]
    const difference = found && differenceOf(identity, found)
    if (difference !== undefined)
      throw new StreamError(
        'CONFIG_INVALID',
        `the servers have different models: ${replica.who} ${difference} as ${replicas[first]?.who} does`,
        { fix: 'Give every server the same model, or name only those that have it.' },
      )
    const outcome = outcomes[at]
    replica.join(identity)
    if (outcome?.status === 'rejected') replica.leaveOut(outcome.reason)
  }
  return identity
}

function checkDimensions(given: number, wanted: number | undefined): void {
  if (wanted === undefined || given === wanted) return
  throw new StreamError('CONFIG_INVALID', `the server gives ${given} dimensions, and ${wanted} were asked for`, {
    fix: 'Leave out `dimensions`: the model, or the server, cannot shorten its vectors.',
  })
}

/** Everything that decides the vectors, as far as servers tell; addresses, keys and batch sizes stay out. */
function idOf(
  { id, settings }: EmbeddingApi,
  { served, golden, answered }: Identity,
  options: RemoteOptions,
): EmbedderId {
  const { model, revision, maxTokens } = served
  const { normalize = true, prefix = '', queryPrefix = prefix } = options
  const facts = { model, revision, answered, maxTokens: `${maxTokens}`, settings, normalize, prefix, queryPrefix }
  const digest = createHash('sha256')
    .update(JSON.stringify({ ...facts, dimensions: golden.length }))
    .digest('hex')
  const name = revision === '' ? model : `${model}@${revision.slice(0, 12)}`
  return `${id}:${name}:${golden.length}:${digest.slice(0, 16)}`
}

/** Shorter ones are words of ordinary sentences. */
const leastSecretLength = 6

function redacting({ apiKey, headers = {} }: RemoteOptions): (text: string) => string {
  // `Bearer x` is repeated with and without its first word.
  const values = [apiKey ?? '', ...Object.values(headers)].flatMap((value) => [value, ...value.split(/\s+/)])
  const secrets = values.filter((value) => value.length >= leastSecretLength)
  return (text) => secrets.reduce((clean, secret) => clean.replaceAll(secret, '***'), text)
}
