import type { ConnectionOptions } from 'node:tls'
import type { Admin, Kafka, LogEntry, RetryOptions, SASLOptions } from 'kafkajs'
import { CertificateFiles } from '../../certificate-files.ts'
import { type Clock, systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import { type KafkaJs, loadKafkaJs } from './compat.ts'
import { tellDenials } from './denials.ts'
import { endCluster } from './ended-cluster.ts'
import type { Cluster, CreateCluster } from './internals.ts'
import { Reachability } from './reachability.ts'
import { Sockets } from './sockets.ts'
import type { TlsOptions } from './tls-options.ts'
import { loginOf } from './token-login.ts'

export interface KafkaBrokerOptions {
  /** Addresses, `host:port`, of one or more brokers of the cluster; the others are found through them. */
  readonly brokers: readonly string[]
  /** Shown in the broker's logs and quotas. Default `millrace`. */
  readonly clientId?: string
  /** True for TLS with the certificates of the system, or its options. Files are read again for every connection. */
  readonly ssl?: boolean | TlsOptions
  readonly sasl?: SASLOptions
  /** Milliseconds for one attempt to connect, default 3,000. */
  readonly connectionTimeoutMs?: number
  /** Milliseconds until a request that is not answered counts as failed, default 30,000. */
  readonly requestTimeoutMs?: number
  /** How long until members notice partitions that were added to a topic. Milliseconds, default 60,000. */
  readonly metadataMaxAgeMs?: number
  readonly logger?: Logger
  readonly clock?: Clock
}

// KafkaJS has other defaults for what is left out here when NODE_ENV is `test`.
const backoff = { factor: 0.2, multiplier: 2 }

/** How often something is tried again, and how long it waits in between. */
export const retries = {
  /** A question that its caller waits for: about five seconds. */
  request: { ...backoff, initialRetryTime: 50, maxRetryTime: 1_000, retries: 8 },
  /** A member stays alive while the cluster is away: two minutes, then it counts as lost and joins anew. */
  member: { ...backoff, initialRetryTime: 100, maxRetryTime: 1_000, retries: 120 },
  /** The end of the transaction before is a matter of milliseconds: the first waits are short. */
  transaction: { ...backoff, initialRetryTime: 5, maxRetryTime: 1_000, retries: 12 },
  /** One attempt. The idempotent producer refuses less than one repetition; with this number it compares every count as false. */
  send: { ...backoff, retries: Number.NaN },
} satisfies Record<string, RetryOptions>

const defaultConnectionTimeoutMs = 3_000
const defaultRequestTimeoutMs = 30_000
const defaultMetadataMaxAgeMs = 60_000

/** Makes KafkaJS clients for one cluster. Building it does no I/O and does not load KafkaJS. */
export class KafkaClientFactory {
  readonly name: string
  readonly brokers: readonly string[]
  readonly clock: Clock
  readonly logger: Logger
  readonly metadataMaxAgeMs: number
  readonly #options: KafkaBrokerOptions
  readonly #certificates: CertificateFiles | undefined
  readonly #sockets: Sockets
  readonly #reachability: Reachability
  /** Those of all clients that anybody still uses. */
  readonly #clusters = new Set<WeakRef<Cluster>>()
  #kafkaJs: KafkaJs | undefined

  /** Throws CONFIG_INVALID for an address that is not `host:port`. */
  constructor(options: KafkaBrokerOptions) {
    const wrong = options.brokers.find((address) => !/^[^:\s]+:\d+$/.test(address))
    if (wrong !== undefined || options.brokers.length === 0) {
      const fact = wrong === undefined ? 'no Kafka broker is named' : `"${wrong}" is not the address of a Kafka broker`
      throw new StreamError('CONFIG_INVALID', fact, { fix: 'Give addresses as host:port.' })
    }
    this.#options = options
    this.brokers = options.brokers
    this.name = `kafka ${options.brokers.join(',')}`
    this.clock = options.clock ?? systemClock
    this.logger = options.logger ?? silentLogger
    const { name, clock, logger } = this
    this.#certificates =
      typeof options.ssl === 'object' ? new CertificateFiles(options.ssl, { logger, clock }) : undefined
    this.#sockets = new Sockets(() => this.#certificates?.current ?? {})
    this.#reachability = new Reachability({ name, clock, logger, addresses: options.brokers.length })
    this.metadataMaxAgeMs = options.metadataMaxAgeMs ?? defaultMetadataMaxAgeMs
  }

  /** Throws CLIENT_VERSION. */
  get kafkaJs(): KafkaJs {
    this.#kafkaJs ??= loadKafkaJs()
    return this.#kafkaJs
  }

  /**
   * A client with its own connections and caches: members of one group in one process may not share one. `onCluster` gets the connections
   * of the one producer, consumer or admin that is made of it; `onClose` is called when one of them has ended.
   */
  kafka(retry: RetryOptions, onCluster: (cluster: Cluster) => void = () => undefined, onClose?: () => void): Kafka {
    const { Kafka, logLevel } = this.kafkaJs
    const { brokers, clientId = 'millrace', sasl } = this.#options
    const ssl = this.#tls()
    const kafka = new Kafka({
      brokers: [...brokers],
      clientId,
      ...(ssl === undefined ? {} : { ssl }),
      ...(sasl === undefined ? {} : { sasl: loginOf(sasl, this.kafkaJs) }),
      socketFactory: this.#sockets.factory(onClose),
      connectionTimeout: this.#options.connectionTimeoutMs ?? defaultConnectionTimeoutMs,
      requestTimeout: this.#options.requestTimeoutMs ?? defaultRequestTimeoutMs,
      retry,
      logLevel: logLevel.WARN,
      logCreator: () => (entry) => this.#log(entry),
    })
    const { key, create } = clusterMaker(kafka)
    const createAndTell: CreateCluster = (options) => {
      const cluster = create(options)
      tellDenials(cluster)
      this.#reachability.watch(cluster)
      this.#remember(cluster)
      onCluster(cluster)
      return cluster
    }
    return Object.defineProperty(kafka, key, { value: createAndTell })
  }

  /**
   * Ends every connection that was made by these clients, and every attempt to make another one: also those of a client that is
   * disconnected, which KafkaJS connects again for a request that is repeated at that moment.
   */
  destroyConnections(): void {
    for (const known of this.#clusters) {
      const cluster = known.deref()
      if (cluster) endCluster(cluster)
    }
    this.#clusters.clear()
    this.#sockets.destroy()
  }

  /** Whoever makes a client hears at once that its certificates cannot be used. Throws CONFIG_INVALID. */
  #tls(): boolean | ConnectionOptions | undefined {
    const { ssl } = this.#options
    return typeof ssl === 'object' ? { ...ssl, ...this.#certificates?.current } : ssl
  }

  #remember(cluster: Cluster): void {
    for (const known of this.#clusters) if (!known.deref()) this.#clusters.delete(known)
    this.#clusters.add(new WeakRef(cluster))
  }

  /** Connections without a member or a producer. */
  cluster(options: Parameters<CreateCluster>[0]): Cluster {
    return clusterMaker(this.kafka(retries.request)).create(options)
  }

  /**
   * What KafkaJS calls an error is mostly one attempt of several, as in transactions that follow closely; what remains failed reaches the caller
   * as a StreamError. That no broker can be reached is said once, because it may be tried for minutes.
   */
  #log({ level, namespace, log }: LogEntry): void {
    const { message, timestamp: _timestamp, logger: _logger, stack: _stack, ...facts } = log
    const sentence = `${namespace}: ${message}`
    const isUnreachable = namespace === 'BrokerPool' && level === this.kafkaJs.logLevel.ERROR
    this.logger.debug(facts, sentence)
    if (isUnreachable) this.#reachability.failed(message, Number(facts.retryCount ?? 0))
  }
}

/** Runs something with an admin client of its own. */
export async function administer<T>(factory: KafkaClientFactory, action: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = factory.kafka(retries.request).admin()
  try {
    await admin.connect()
    return await action(admin)
  } finally {
    await admin.disconnect()
  }
}

function clusterMaker(kafka: Kafka): { readonly key: symbol; readonly create: CreateCluster } {
  for (const key of Object.getOwnPropertySymbols(kafka)) {
    const create: unknown = Reflect.get(kafka, key)
    if (key.description === 'private:Kafka:createCluster' && isCreateCluster(create)) return { key, create }
  }
  throw new StreamError('CLIENT_VERSION', 'a Kafka client of kafkajs has no way to make a cluster')
}

function isCreateCluster(value: unknown): value is CreateCluster {
  return typeof value === 'function'
}
