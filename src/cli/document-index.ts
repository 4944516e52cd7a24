import { systemClock } from '../clock.ts'
import { sqliteIndex } from '../connectors/embedded/sqlite-index.ts'
import { cached, type Embedder } from '../embed/index.ts'
import type { Hit } from '../model.ts'
import type { Broker } from '../runtime/broker.ts'
import { FeedRunner } from '../runtime/resources/feed-runner.ts'
import { pipelinesOf } from '../runtime/resources/pipelines.ts'
import { StreamRuntime } from '../runtime/stream-runtime.ts'
import type { Feed, FeedProblem } from '../topology/feed.ts'
import type { IndexStats, VectorIndex } from '../topology/processor.ts'
import { type AuditReport, auditIndex, uncommitted } from './audit-report.ts'
import { documentTopology, names } from './documents.ts'
import { type GivenUpDocument, givenUpDocuments } from './given-up-documents.ts'
import { plainLogger } from './logger.ts'
import { refillsLostIndex } from './lost-index.ts'
import { doneBefore } from './stop-signals.ts'
import { SummaryObserver } from './summary.ts'
import { embedderFor, openLog, workspaceAt } from './workspace.ts'
import { claimWorkspace, type WorkspaceLock } from './workspace-claim.ts'
import { refuseLostLog, workspaceError } from './workspace-log.ts'

export interface DocumentIndexOptions {
  /** The workspace; made when it is missing. */
  readonly data: string
  readonly model: string
  /** Empty the workspace first. */
  readonly reindex?: boolean
  /** Real path of the folder that will be read: a workspace holds the documents of one. */
  readonly folder?: string | undefined
  /** Larger documents become dead letters. UTF-8 bytes, default 8 MiB. */
  readonly maxDocumentBytes?: number
}

export interface ReadOptions {
  readonly signal: AbortSignal
  readonly onBatch?: (records: number) => void
  readonly onProblem?: (problem: FeedProblem) => void
}

/** Somebody at a keyboard waits for the end; what is not done by then is done again by the next run. */
const closeDeadlineMs = 5_000
/** Some 1,800 questions of 384 dimensions. */
const queryCacheBytes = 4 * 1024 * 1024

interface Parts {
  readonly log: Broker
  readonly index: VectorIndex
  readonly queries: Embedder
  readonly runtime: StreamRuntime
  readonly observer: SummaryObserver
}

/** The pipeline of `millrace index` at work in a workspace: reads feeds, and can be searched and audited meanwhile. */
export class DocumentIndex implements AsyncDisposable {
  /** What was done since it was opened. */
  readonly observer: SummaryObserver
  readonly #log: Broker
  readonly #index: VectorIndex
  /** The embedder of the pipeline, which remembers what was asked. */
  readonly #queries: Embedder
  readonly #runtime: StreamRuntime
  #lock: WorkspaceLock | undefined
  #backlog = 0

  private constructor(parts: Parts) {
    this.#log = parts.log
    this.#index = parts.index
    this.#queries = parts.queries
    this.#runtime = parts.runtime
    this.observer = parts.observer
  }

  /**
   * Throws INDEX_MISMATCH when another pipeline or folder filled the workspace, STATE_LOCKED while another process uses it, STATE_CORRUPT
   * when its log is damaged or lost, USAGE when the folder is something else.
   */
  static async open(options: DocumentIndexOptions): Promise<DocumentIndex> {
    const { data, model, reindex = false, folder, maxDocumentBytes } = options
    const workspace = workspaceAt(data)
    const index = sqliteIndex({ path: workspace.indexFile })
    const embedder = embedderFor(model)
    const queries = cached(embedder, { maxMemoryBytes: queryCacheBytes })
    const topology = documentTopology(index, embedder, { maxDocumentBytes })
    const log = openLog(workspace)
    const observer = new SummaryObserver(names)
    const runtime = new StreamRuntime({
      topology,
      broker: log,
      application: names.application,
      stateDirectory: workspace.stateDirectory,
      closeDeadlineMs,
      observer,
      logger: plainLogger,
    })
    const opened = new DocumentIndex({ log, index, queries, runtime, observer })
    try {
      await queries.open()
      const pipeline = pipelinesOf(topology)('index').id
      const claim = { model, pipeline, embedder: embedder.id, ...(folder !== undefined && { folder }) }
      opened.#lock = await claimWorkspace(data, claim, reindex)
      await log.open()
      await refuseLostLog(workspace, log, index)
      await log.createTopics([{ topic: names.topic, partitions: 1, cleanup: 'compact' }])
      if (await refillsLostIndex(log, index)) {
        plainLogger.warn({}, `${workspace.indexFile} has lost what was in it: it is filled again`)
      }
      const { pending, behind } = await uncommitted(log)
      opened.#backlog = behind
      observer.expectBacklog(pending)
      await runtime.start()
      return opened
    } catch (error) {
      const isClaimed = opened.#lock !== undefined
      await opened.close()
      // What the card says is refused before.
      throw isClaimed ? workspaceError(error) : error
    }
  }

  /** Records that an earlier run had read and not indexed when this one was opened. */
  get backlog(): number {
    return this.#backlog
  }

  get stats(): IndexStats {
    return this.#index.stats
  }

  /**
   * Reads a feed until it ends and everything is in the index, and resolves with true; or until the signal aborts, and resolves with false
   * when that came first. Throws what made the pipeline fail.
   */
  async read(feed: Feed<unknown>, { signal, onBatch, onProblem }: ReadOptions): Promise<boolean> {
    const runner = new FeedRunner({
      feed,
      broker: this.#log,
      topic: names.topic,
      cursorTopic: names.cursorTopic,
      clock: systemClock,
      onBatch: (records, keys) => {
        this.observer.readAnew(keys)
        onBatch?.(records)
      },
      ...(onProblem && { onProblem }),
    })
    const failed = this.#runtime.finished
    try {
      await Promise.race([runner.run(signal), failed])
      return !signal.aborted && (await doneBefore(signal, this.#runtime.drain()))
    } catch (error) {
      throw workspaceError(error)
    }
  }

  async search(text: string, limit: number): Promise<readonly Hit[]> {
    const vector = await embedQuery(this.#queries, text)
    return this.#index.search({ text, ...(vector && { vector }) }, { limit })
  }

  /** Compares the index with the manifests of the last commit. */
  async audit(): Promise<AuditReport> {
    return auditIndex(this.#log, this.#index)
  }

  /** Documents that are missing or old in the index because they were given up, now or by an earlier process. */
  async givenUp(): Promise<readonly GivenUpDocument[]> {
    return givenUpDocuments(this.#log)
  }

  /** Commits what is done, and closes everything. */
  async close(): Promise<void> {
    await this.#runtime.close()
    await this.#log.close()
    await this.#queries.close()
    await this.#lock?.close()
    this.#lock = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

const queryDeadlineMs = 60_000

/** The vector of a question. */
export async function embedQuery(embedder: Embedder, text: string): Promise<Float32Array | undefined> {
  const [vector] = await embedder.embed([text], AbortSignal.timeout(queryDeadlineMs), { inputType: 'query' })
  return vector
}
