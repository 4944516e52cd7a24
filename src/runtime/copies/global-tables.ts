import { type Cancel, type Clock, delay } from '../../clock.ts'
import type { RuntimeSettings } from '../../config.ts'
import { isStreamError, reasonOf, StreamError, toStreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { GlobalPlace, GlobalState, GlobalStore } from '../../state/global-state.ts'
import type { RowQuery, ScannedRow } from '../../state/row-reader.ts'
import type { GlobalTableSpec, Topology } from '../../topology/topology.ts'
import type { Broker, PartitionOffsets } from '../broker.ts'
import type { RuntimeObserver } from '../observer.ts'
import { partitionKey, partitionsOf } from '../partitions.ts'
import { retrying } from '../retry.ts'
import { globalRows } from './global-rows.ts'
import { Permits } from './permits.ts'

export interface GlobalTablesOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  /** How many partitions each topic has. */
  readonly partitions: ReadonlyMap<string, number>
  /** Open; closed by whoever opened it, after the tables. */
  readonly state: GlobalState
  readonly broker: Broker
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RuntimeObserver
  /** Aborts when the runtime ends. */
  readonly signal: AbortSignal
  /** The tables cannot be kept current. */
  readonly failed: (error: StreamError) => void
}

/** A global table as it is now, to look at. */
export interface GlobalTableView {
  readonly name: string
  readonly topic: string
  /** Records of its topic that it did not have when it was last looked at. */
  readonly lag: number
  /** To look rows up. */
  readonly rows: GlobalStore
}

/** How often the ends of the topics are asked for, and how often after a failure. */
const pollMs = 200
const pollAfterFailureMs = 1_000
/** How often it is looked whether the topics have more partitions. */
const partitionsMs = 60_000
/** Partitions that are read at the same time; each holds a batch in memory. */
const maxReads = 4

/**
 * The global tables of an instance: each has all partitions of its topic, as far as they were committed. They are read without a group, to
 * their ends when they are opened, then on and on.
 */
export class GlobalTables {
  readonly #options: GlobalTablesOptions
  readonly #partitions: Map<string, number>
  readonly #reads = new Permits(maxReads)
  readonly #controller = new AbortController()
  readonly #signal: AbortSignal
  /** Records that are left, by partition. */
  readonly #remaining = new Map<string, number>()
  #partitionsKnownAt: number
  #look: Promise<void> = Promise.resolve()
  #progress: () => void = () => undefined

  private constructor(options: GlobalTablesOptions) {
    this.#options = options
    this.#partitions = new Map(options.partitions)
    this.#partitionsKnownAt = options.clock.now()
    this.#signal = AbortSignal.any([options.signal, this.#controller.signal])
  }

  /**
   * Resolves when each table is as its topic was when the last look at it began. Throws PROCESSING_STALLED when no record comes for
   * `processingDeadlineMs` although there are some, or although nobody says whether there are.
   */
  static async open(options: GlobalTablesOptions): Promise<GlobalTables> {
    const tables = new GlobalTables(options)
    try {
      await tables.#warnOfForgetting()
      await tables.#forgetIncomplete()
      await tables.#restore()
    } catch (error) {
      tables.close()
      throw error
    }
    void tables.#follow()
    return tables
  }

  /** The rows of a table, to read; undefined when there is none of that name. */
  store(name: string): GlobalStore | undefined {
    return this.#options.state.view(name)
  }

  /** The rows of a table, to be read from outside. Throws STORE_UNKNOWN. */
  read(name: string, query: RowQuery): AsyncIterable<ScannedRow> {
    return this.#options.state.read(name, query)
  }

  get view(): readonly GlobalTableView[] {
    return this.#tables.flatMap((table) => {
      const rows = this.store(table.name)
      return rows ? [{ name: table.name, topic: table.source.topic, lag: this.#lagOf(table), rows }] : []
    })
  }

  /** Reads on to where the topics end now. One look at a time: a call waits for the one before. */
  catchUp(): Promise<void> {
    this.#look = this.#look
      .catch(() => undefined)
      .then(() => this.#readOn())
      .catch((error: unknown) => {
        if (!this.#signal.aborted) throw error
      })
    return this.#look
  }

  /** Ends all reading. A look that the broker keeps waiting is left behind: what it brings is not taken. */
  close(): void {
    this.#controller.abort(new StreamError('BROKER_CLOSED', 'the runtime is closed'))
  }

  get #tables(): readonly GlobalTableSpec[] {
    return [...this.#options.topology.globalTables.values()]
  }

  // ---- the start

  /** A look that fails keeps nobody from starting. */
  async #warnOfForgetting(): Promise<void> {
    const { broker, logger } = this.#options
    try {
      const found = await broker.topics(this.#tables.map(({ source }) => source.topic))
      for (const { topic, cleanup } of found.values())
        if (cleanup !== undefined && cleanup !== 'compact') logger.warn({ topic, cleanup }, forgetful)
    } catch (error) {
      logger.warn({ error: reasonOf(error) }, 'it is not known whether the topics of the global tables keep all rows')
    }
  }

  /** Without any position there may be rows still: of another topic, or of a wipe that was not finished. */
  async #forgetIncomplete(): Promise<void> {
    const { state } = this.#options
    for (const table of this.#tables) {
      const isKnown = this.#placesOf(table).some((place) => state.position(place) !== undefined)
      if (!isKnown) await state.wipe(table.name)
    }
  }

  async #restore(): Promise<void> {
    const { clock, settings } = this.#options
    const ended = Promise.withResolvers<never>()
    ended.promise.catch(() => undefined)
    const onAbort = () => ended.reject(this.#signal.reason)
    this.#signal.addEventListener('abort', onAbort, { once: true })
    let cancel: Cancel = () => undefined
    this.#progress = () => {
      cancel()
      cancel = clock.after(settings.processingDeadlineMs, () => ended.reject(this.#stalled()))
    }
    this.#progress()
    try {
      await Promise.race([this.#catchUpPatiently(), ended.promise])
    } finally {
      cancel()
      this.#progress = () => undefined
      this.#signal.removeEventListener('abort', onAbort)
    }
  }

  async #catchUpPatiently(): Promise<void> {
    const { clock, logger, state } = this.#options
    const what = 'restoring the global tables'
    const patiently = () => retrying(() => this.catchUp(), { clock, logger, signal: this.#signal, what })
    try {
      await patiently()
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'OFFSET_OUT_OF_RANGE') throw error
      // Other logs than those that were followed, or such as have forgotten rows since.
      logger.warn({ error: error.message }, 'the global tables are wiped and restored')
      for (const { name } of this.#tables) await state.wipe(name)
      await patiently()
    }
  }

  #stalled(): StreamError {
    const { settings, broker } = this.#options
    const behind = this.#tables.filter((table) => this.#lagOf(table) > 0)
    const missing = behind.map((table) => {
      return `"${table.name}" lacks ${this.#lagOf(table)} records of topic "${table.source.topic}"`
    })
    const fact = behind.length > 0 ? missing.join(', ') : `${broker.name} does not say how far their topics go`
    return new StreamError(
      'PROCESSING_STALLED',
      `the global tables got nowhere for ${settings.processingDeadlineMs} ms: ${fact}`,
      { fix: 'Check the partition leaders of the topics, then start the instance again: it goes on where it was.' },
    )
  }

  // ---- reading

  async #follow(): Promise<void> {
    const { clock, logger, failed } = this.#options
    let isFailing = false
    while (!this.#signal.aborted) {
      await delay(clock, isFailing ? pollAfterFailureMs : pollMs, this.#signal).catch(() => undefined)
      try {
        await this.catchUp()
        isFailing = false
      } catch (cause) {
        const error = toStreamError(cause, 'ILLEGAL_STATE', 'the global tables cannot be kept current')
        if (error.reaction !== 'retry') return failed(error)
        if (!isFailing)
          logger.warn({ error: error.message }, 'the global tables are not kept current; it is tried again')
        isFailing = true
      }
    }
  }

  async #readOn(): Promise<void> {
    if (this.#signal.aborted) return
    await this.#lookForPartitions()
    const places = this.#tables.flatMap((table) => this.#placesOf(table).map((place) => ({ table, place })))
    const ranges = await this.#options.broker.offsets(places.map(({ place }) => place))
    const ends = new Map(ranges.map((range) => [partitionKey(range), range]))
    for (const { place } of places) this.#remaining.set(placeKey(place), this.#left(place, ends))
    const behind = places.filter(({ place }) => this.#remaining.get(placeKey(place)) !== 0)
    const reads = behind.map(({ table, place }) =>
      this.#reads.using(() => this.#read(table, place, ends.get(partitionKey(place))), this.#signal),
    )
    // All of them end before the next look, whatever one of them throws.
    await Promise.allSettled(reads)
    await Promise.all(reads)
  }

  /** Negative where the log ends before the position: then it is another log. */
  #left(place: GlobalPlace, ends: ReadonlyMap<string, PartitionOffsets>): number {
    const { earliest = 0, latest = 0 } = ends.get(partitionKey(place)) ?? {}
    return latest - (this.#options.state.position(place) ?? earliest)
  }

  async #read(table: GlobalTableSpec, place: GlobalPlace, range: PartitionOffsets | undefined): Promise<void> {
    const { state, broker, settings, logger, observer } = this.#options
    const end = range?.latest ?? 0
    const from = state.position(place) ?? range?.earliest ?? 0
    const options = { ...settings, table, place, logger, observer, signal: this.#signal }
    for await (const { records, next } of broker.read(place, from, this.#signal)) {
      await state.write(place, await globalRows(records, options), next)
      const remaining = Math.max(0, end - next)
      this.#remaining.set(placeKey(place), remaining)
      this.#progress()
      observer.globalRead?.({ table: table.name, records: records.length, lag: this.#lagOf(table) })
    }
  }

  async #lookForPartitions(): Promise<void> {
    const { clock, broker } = this.#options
    if (clock.now() - this.#partitionsKnownAt < partitionsMs) return
    const topics = await broker.topics(this.#tables.map(({ source }) => source.topic))
    for (const { topic, partitions } of topics.values()) this.#partitions.set(topic, partitions)
    this.#partitionsKnownAt = clock.now()
  }

  #placesOf({ name, source: { topic } }: GlobalTableSpec): GlobalPlace[] {
    return partitionsOf(topic, this.#partitions.get(topic) ?? 0).map((partition) => ({ store: name, ...partition }))
  }

  #lagOf(table: GlobalTableSpec): number {
    return this.#placesOf(table).reduce((sum, place) => sum + Math.max(0, this.#remaining.get(placeKey(place)) ?? 0), 0)
  }
}

const forgetful =
  'the topic of a global table may forget rows, which an instance that starts later then lacks; set `cleanup.policy=compact` on it'

function placeKey(place: GlobalPlace): string {
  return `${place.store} ${partitionKey(place)}`
}
