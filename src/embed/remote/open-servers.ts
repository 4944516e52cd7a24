import { createHash } from 'node:crypto'
import { systemClock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import type { HttpConnection } from '../../http-connection.ts'
import { silentLogger } from '../../logger.ts'
import type { EmbedderId } from '../embedder.ts'
import { EmbeddingEngine } from '../engine.ts'
import type { ApiLimits, EmbeddingApi } from './api.ts'
import { EmbeddingClient } from './client.ts'
import { differenceOf, type Identity } from './identity.ts'
import type { RemoteOptions } from './options.ts'
import { Replica } from './replica.ts'

interface Setup {
  readonly api: EmbeddingApi
  readonly options: RemoteOptions
  readonly limits: ApiLimits
  readonly connections: readonly HttpConnection[]
}

/** Servers with the same model, and what embeds with them. */
export interface OpenServers {
  readonly id: EmbedderId
  readonly identity: Identity
  readonly engine: EmbeddingEngine<string>
  readonly replicas: readonly Replica[]
  readonly textsAtOnce: number
  close(): Promise<void>
}

/** Rejects as the `open` of a remote embedder does. */
export async function openServers({ api, options, limits, connections }: Setup): Promise<OpenServers> {
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
