import { type Clock, systemClock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import { HttpConnection } from '../../http-connection.ts'
import { type Logger, silentLogger } from '../../logger.ts'
import type { DocumentKey, Hit, IndexOp, PointRef } from '../../model.ts'
import type {
  IndexReport,
  IndexStats,
  Lease,
  Pipeline,
  ScanOptions,
  SearchOptions,
  SearchQuery,
  SinkWriter,
  StoredPoint,
  TaskId,
  VectorIndex,
} from '../../topology/processor.ts'
import { Client } from './client.ts'
import { type Counts, Delivery } from './delivery.ts'
import type { PayloadKeys } from './operations.ts'
import { Reader } from './reader.ts'
import { type CollectionFacts, type CollectionRequest, lookAtCollection, openCollection } from './schema.ts'
import { QdrantWriter, type RequestLimits } from './writer.ts'

export interface QdrantOptions {
  /** Created when it is missing. An alias stands for the collection that it names when the index is opened. */
  readonly collection: string
  /** The REST interface. Default `http://127.0.0.1:6333`. */
  readonly url?: string
  /** With write access, unless `readOnly`. Refused over plain http to another machine. */
  readonly apiKey?: string
  /** Only look: creates nothing, and has no writers. Default false. */
  readonly readOnly?: boolean
  /** Key of the payload that holds the text of a chunk; LangChain.js reads `content`, LangChain for Python `page_content`. Default `content`. */
  readonly contentKey?: string
  /** Key of the payload that holds the metadata. Default `metadata`. */
  readonly metadataKey?: string
  /** A request is closed at so many points. Default 256. */
  readonly maxRequestPoints?: number
  /** A request is closed at so many bytes, which must be below the server's limit (32 MiB). Default 2 MiB. */
  readonly maxRequestBytes?: number
  /**
   * After that long without an answer a request is repeated. An instance that takes a partition over after a crash waits so long for the
   * requests of its predecessor; so it has to be at most half of the session timeout. Milliseconds, default 20,000.
   */
  readonly requestTimeoutMs?: number
  /**
   * How long a point is tried again that alone makes the server fail (an answer 500) while it takes others. Then its document is
   * rejected. Milliseconds, default 300,000.
   */
  readonly failureDeadlineMs?: number
  /**
   * The server refuses writes of former owners of a partition to points that a later one has written: also of those that come later than
   * `requestTimeoutMs`. Costs some speed, Qdrant 1.19, and a payload index on `_millrace.epoch`; every writer of the collection has to
   * have it. See docs/guarantees.md. Default false.
   */
  readonly fence?: boolean
  readonly clock?: Clock
  readonly logger?: Logger
}

/**
 * A collection of Qdrant 1.10 or later; tested against 1.18.3.
 *
 * Points have the default, unnamed vector and the payload that LangChain.js reads without options. The sparse vector `bm25` is created
 * and not filled yet: mode `hybrid` searches by vector, mode `text` is refused.
 *
 * Writes are idempotent and wait until they are applied. What fails for a reason that passes (network, 408, 429, 5xx, no room) is
 * repeated until the record is given up; a record that the server refuses is rejected alone, with INDEX_REJECTED. A payload update of a
 * point that the collection has lost fails with INDEX_DRIFTED, after which `diff` looks at the collection.
 *
 * Throws CONFIG_INVALID for options that cannot work, and from `open` when `fence` is asked of a server before 1.19. `open` also fails with INDEX_UNREACHABLE, INDEX_DENIED, INDEX_MISMATCH (other
 * dimensions, distance or vectors; nothing is written then) or INDEX_MISSING (`readOnly`).
 *
 * @example
 * const index = qdrant({ collection: 'documents', url: 'https://qdrant.example.com', apiKey })
 * builder.stream(...).process(...).to('index', index)
 */
export function qdrant(options: QdrantOptions): VectorIndex {
  checkOptions(options)
  return new QdrantIndex(options)
}

interface Session {
  readonly facts: CollectionFacts
  readonly reader: Reader
  /** With their leases. */
  readonly writers: Map<QdrantWriter, Lease | undefined>
}

/** Enough to meet the points of an earlier pipeline, where it has left any. */
const inspectedPoints = 1_000
/** The server's limit for a body, less a frame. */
const longestBodyBytes = 32 * 1024 * 1024 - 1024

class QdrantIndex implements VectorIndex {
  readonly name: string
  readonly requestTimeoutMs: number
  readonly fenced: boolean
  readonly #options: QdrantOptions
  readonly #collection: string
  readonly #client: Client
  readonly #clock: Clock
  readonly #readOnly: boolean
  readonly #keys: PayloadKeys
  readonly #limits: RequestLimits
  readonly #failureDeadlineMs: number
  #session: Session | undefined
  #counts = noCounts()

  constructor(options: QdrantOptions) {
    const { collection, url = 'http://127.0.0.1:6333', apiKey, clock = systemClock, logger = silentLogger } = options
    this.name = `qdrant:${collection}`
    this.#options = options
    this.#collection = collection
    this.#clock = clock
    this.#readOnly = options.readOnly ?? false
    this.fenced = options.fence ?? false
    this.#keys = { content: options.contentKey ?? 'content', metadata: options.metadataKey ?? 'metadata' }
    this.#limits = { points: options.maxRequestPoints ?? 256, bytes: options.maxRequestBytes ?? 2 * 1024 * 1024 }
    this.#failureDeadlineMs = options.failureDeadlineMs ?? 300_000
    this.requestTimeoutMs = options.requestTimeoutMs ?? 20_000
    const connection = new HttpConnection({
      name: 'Qdrant',
      url,
      headers: apiKey === undefined ? {} : { 'api-key': apiKey },
      apiKey,
      clock,
      requestTimeoutMs: this.requestTimeoutMs,
      unreachable: 'INDEX_UNREACHABLE',
    })
    this.#client = new Client(connection, clock, logger.child({ index: this.name }))
  }

  get stats(): IndexStats {
    return { ...this.#counts }
  }

  async open({ dimensions }: Pipeline): Promise<void> {
    if (this.#session) throw new StreamError('ILLEGAL_STATE', `the index ${this.name} is open already`)
    const facts = await openCollection(this.#client, this.#request(dimensions))
    const writers: Session['writers'] = new Map()
    const epochSeen = (epoch: number) => this.fenced && requireLatest(epoch, [...writers.values()])
    const reader = new Reader({ client: this.#client, facts, keys: this.#keys, epochSeen })
    this.#session = { facts, reader, writers }
    this.#counts = noCounts()
  }

  async inspect({ dimensions }: Pick<Pipeline, 'dimensions'>): Promise<IndexReport> {
    const look = await lookAtCollection(this.#client, this.#request(dimensions))
    if (!look) return { exists: false, missing: [], pipelines: [] }
    const { facts, missingIndexes } = look
    const reader = new Reader({ client: this.#client, facts, keys: this.#keys, epochSeen: () => undefined })
    const missing = missingIndexes.map((field) => `payload index on ${field}`)
    return { exists: true, missing, pipelines: await reader.samplePipelines(inspectedPoints) }
  }

  reader(): QdrantIndex {
    return new QdrantIndex({ ...this.#options, readOnly: true })
  }

  #request(dimensions: number | undefined): CollectionRequest {
    return { collection: this.#collection, dimensions, readOnly: this.#readOnly, fence: this.fenced }
  }

  writer(_task: TaskId, lease?: Lease): SinkWriter<DocumentKey, readonly IndexOp[]> {
    if (this.#readOnly) throw new StreamError('ILLEGAL_STATE', `the index ${this.name} was opened for reading only`)
    const { facts, writers } = this.#opened()
    // A writer without a lease is the only one: the time is later than that of any before.
    const epoch = this.fenced ? (lease?.epoch ?? this.#clock.now()) : undefined
    const writer: QdrantWriter = new QdrantWriter({
      delivery: new Delivery({
        client: this.#client,
        collection: facts.name,
        counts: this.#counts,
        clock: this.#clock,
        lease,
        failureDeadlineMs: this.#failureDeadlineMs,
        epoch,
      }),
      rules: { dimensions: facts.dimensions, keys: this.#keys, maxBytes: longestBodyBytes, epoch },
      limits: { ...this.#limits, points: Math.min(this.#limits.points, facts.maxPoints) },
      clock: this.#clock,
      name: this.name,
      onClose: () => writers.delete(writer),
    })
    writers.set(writer, lease)
    return writer
  }

  async observe(keys: readonly DocumentKey[], signal?: AbortSignal): Promise<Map<DocumentKey, readonly PointRef[]>> {
    return this.#opened().reader.observe(keys, signal)
  }

  async *scan(options: ScanOptions = {}): AsyncGenerator<StoredPoint> {
    yield* this.#opened().reader.scan(options)
  }

  async search(query: SearchQuery, options: SearchOptions = {}): Promise<readonly Hit[]> {
    return this.#opened().reader.search(query, options)
  }

  async close(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    await Promise.all([...(session?.writers.keys() ?? [])].map((writer) => writer.close()))
  }

  #opened(): Session {
    if (!this.#session) throw new StreamError('INDEX_CLOSED', `the index ${this.name} is not open`)
    return this.#session
  }
}

/**
 * Points of our own partitions may not have a later epoch than we: the server would refuse our writes without a word. It happens to owners
 * that have lost the mark of those before, when their clock is behind. Who has no lease any more has a successor, and is no owner.
 */
function requireLatest(epoch: number, leases: readonly (Lease | undefined)[]): void {
  const own = leases.flatMap((lease) => (lease?.held && lease.epoch !== undefined ? [lease.epoch] : []))
  const latest = Math.max(...own)
  if (own.length === 0 || epoch <= latest) return
  throw new StreamError(
    'INDEX_MISMATCH',
    `the collection has points of epoch ${epoch}, which is after ours, ${latest}`,
    {
      fix: 'Set the clock of this machine right: epochs are its milliseconds where the commits of earlier owners are gone.',
    },
  )
}

function noCounts(): Counts {
  return { writeRequests: 0, failedRequests: 0, pointsWritten: 0, payloadsWritten: 0, pointsDeleted: 0 }
}

const knownOptions: Readonly<Record<keyof QdrantOptions, true>> = {
  collection: true,
  url: true,
  apiKey: true,
  readOnly: true,
  contentKey: true,
  metadataKey: true,
  maxRequestPoints: true,
  maxRequestBytes: true,
  requestTimeoutMs: true,
  failureDeadlineMs: true,
  fence: true,
  clock: true,
  logger: true,
}

/** Nothing compiles a topology file that is only run: a misspelled address must not become the default one. */
function checkOptions(options: QdrantOptions): void {
  const unknown = Object.keys(options).filter((name) => !(name in knownOptions))
  if (unknown.length > 0) {
    throw new StreamError('CONFIG_INVALID', `qdrant has no option ${unknown.map((name) => `"${name}"`).join(', ')}`, {
      fix: `Known are ${Object.keys(knownOptions).join(', ')}.`,
    })
  }
  checkName(options.collection)
}

/** What Qdrant allows in a name; a dot or two would become another path. */
function checkName(collection: unknown): void {
  const isText = typeof collection === 'string'
  if (isText && /^[^<>:"/\\|?*\p{Cc}]{1,255}$/u.test(collection) && !/^\.{1,2}$/.test(collection)) return
  throw new StreamError('CONFIG_INVALID', `${JSON.stringify(collection)} cannot be the name of a collection`, {
    fix: 'Use letters, digits, dots, dashes and underscores.',
  })
}
