import { type Cancel, ManualClock, systemClock } from '../clock.ts'
import type { RuntimeSettingsInput } from '../config.ts'
import { StreamError } from '../errors.ts'
import { keyPartition } from '../partitioner.ts'
import { type Headers, noHeaders, type StreamRecord } from '../record.ts'
import type { Serde } from '../serde.ts'
import type { ReadOnlyKeyValueStore, StateStore, StoreOf, StoreSpec } from '../state/store.ts'
import type { TopicSource, TopicTarget } from '../topology/source.ts'
import { copiedTopics, globalTopics, type Topology, topicName } from '../topology/topology.ts'
import type { Broker, Producer } from './broker.ts'
import type { RuntimeObserver } from './observer.ts'
import { partitionKey } from './partitions.ts'
import { checkedPair, withCheckedSerdes } from './round-trip.ts'
import { StreamRuntime } from './stream-runtime.ts'
import type { Tracer } from './tracer.ts'

export interface TopologyTestDriverOptions extends Partial<RuntimeSettingsInput> {
  /** A broker in memory; it outlives a crash of the driver's runtime. */
  readonly broker: (clock: ManualClock) => Broker
  /** Partitions of the topics that the topology names. Default 1. */
  readonly partitions?: number
  /** Where the clock starts, milliseconds since the epoch. Default 0. */
  readonly startMs?: number
  readonly observer?: RuntimeObserver
  readonly tracer?: Tracer
  /** False: stores that are not `memory` lie on LevelDB in `stateDirectory`. Default true, with nothing on disk. */
  readonly stateInMemory?: boolean
  /**
   * `manual`: what is piped is processed, and committed when the test says `commit` or `commitIntervalMs` is over, for steps with `caching`.
   * Default `always`: after each call.
   */
  readonly commit?: 'always' | 'manual'
  /**
   * Reads back at once what is written to topics and stores: a serde that gives another value than it got is SERDE_MISMATCH. Serdes of a
   * schema registry are left out. Default true.
   */
  readonly checkSerdes?: boolean
}

/** The log delivers a batch a turn of the event loop. */
const maxTurns = 10_000
/** How often a loop that is waited for is woken, in real time. */
const wakingMs = 5

/** A store that a test looks at: what it wrote would belong to no record. */
export type LookedAt<S extends StateStore> = Omit<S, 'put' | 'delete'>

/** A record to feed in. */
export interface TestRecord<K, V> {
  readonly key: K | null
  readonly value: V | null
  /** Default: the time on the driver's clock. */
  readonly timestamp?: number
  readonly headers?: Headers
}

/**
 * Drives a topology in a test: the real tasks, an in-memory log, a clock turned by hand. Nothing happens until `pipe` or `advance`;
 * when they resolve, everything that follows is processed and committed.
 *
 * @example
 * await using driver = await TopologyTestDriver.start(topology)
 * await driver.pipe(source, { key: 'a', value: { title: 'A' } })
 * expect(await driver.read(target)).toEqual([...])
 */
export class TopologyTestDriver implements AsyncDisposable {
  readonly clock: ManualClock
  readonly #topology: Topology
  readonly #options: TopologyTestDriverOptions
  readonly #broker: Broker
  readonly #read = new Map<string, number>()
  readonly #ending = new AbortController()
  #producer: Producer | undefined
  #runtime: StreamRuntime | undefined
  #mismatch: StreamError | undefined
  readonly #report = (error: StreamError): void => {
    this.#mismatch ??= error
  }

  private constructor(topology: Topology, options: TopologyTestDriverOptions) {
    this.clock = new ManualClock(options.startMs ?? 0)
    this.#topology = (options.checkSerdes ?? true) ? withCheckedSerdes(topology, this.#report) : topology
    this.#options = options
    this.#broker = options.broker(this.clock)
  }

  static async start(topology: Topology, options: TopologyTestDriverOptions): Promise<TopologyTestDriver> {
    const driver = new TopologyTestDriver(topology, options)
    await driver.#broker.open()
    await driver.#createTopics()
    driver.#producer = await driver.#broker.producer()
    await driver.#startRuntime()
    // Tasks begin after an assignment: the first turn of the clock has to find their punctuators.
    await driver.settle()
    return driver
  }

  /** Writes a record to the topic of a source; resolves when all that it causes is committed. Throws TOPIC_MISSING. */
  async pipe<K, V>(source: TopicSource<K, V>, ...records: TestRecord<K, V>[]): Promise<void> {
    await this.#write(source, records)
    if (this.#runtime) await this.settle()
  }

  /**
   * Writes a record to the topic of a source, and keeps all that was written from being processed until `settle`, or the next `pipe` or
   * `advance`. So a test says which topics had records at the same time, of which the one with the smallest timestamp is taken first.
   */
  async enqueue<K, V>(source: TopicSource<K, V>, ...records: TestRecord<K, V>[]): Promise<void> {
    const runtime = this.#started()
    runtime.pause()
    await this.#write(source, records)
    await this.#fetched(runtime)
  }

  /** Reads what a topic got since the last call, in order of partition and offset. */
  async read<K, V>(target: TopicTarget<K, V> | TopicSource<K, V>): Promise<StreamRecord<K, V>[]> {
    const records: StreamRecord<K, V>[] = []
    const partitions = this.#options.partitions ?? 1
    for (let partition = 0; partition < partitions; partition++) {
      const place = partitionKey({ topic: target.topic, partition })
      for await (const batch of this.#broker.read({ topic: target.topic, partition }, this.#read.get(place) ?? 0)) {
        for (const { key, value, timestamp, headers } of batch.records) {
          const parts = await Promise.all([this.#decoded(target.key, key), this.#decoded(target.value, value)])
          records.push({ key: parts[0] as K, value: parts[1], timestamp, headers })
        }
        this.#read.set(place, batch.next)
      }
    }
    return records
  }

  /** A store of one partition, by its spec or its name, or a global table, as it is now. */
  store<Spec extends StoreSpec>(spec: Spec, partition?: number): LookedAt<StoreOf<Spec>>
  store<K, V>(name: string, partition?: number): ReadOnlyKeyValueStore<K, V>
  store(store: StoreSpec | string, partition = 0): StateStore {
    const name = typeof store === 'string' ? store : store.name
    const runtime = this.#started()
    const globalTable = runtime.view.globalTables.find((table) => table.name === name)
    if (globalTable) return globalTable.rows
    const part = this.#topology.subtopologies.find((candidate) => candidate.stores.some((spec) => spec.name === name))
    const task = runtime.tasks.find((candidate) => candidate.id === `${part?.id}_${partition}`)
    if (!task) throw new StreamError('STORE_UNKNOWN', `no task has store "${name}" of partition ${partition}`)
    return task.state.view(name, () => -1)
  }

  /** Turns the clock and runs what falls due. */
  async advance(durationMs: number): Promise<void> {
    this.clock.advance(durationMs)
    await this.settle()
  }

  /** Turns the clock and lets what falls due begin, without waiting for the end of it: for what a `pipe` under way waits for. */
  async tick(durationMs: number): Promise<void> {
    this.clock.advance(durationMs)
    await new Promise((resolve) => setImmediate(resolve))
  }

  /**
   * Resolves when everything that was written is processed, and committed unless `commit` is `manual`. With `maxTaskIdleMs` records may be
   * left that wait for another topic. Throws what made the runtime fail, and SERDE_MISMATCH.
   */
  async settle(): Promise<void> {
    const runtime = this.#started()
    runtime.resume()
    const stopWaking = keepAwake(runtime)
    try {
      await runtime.drain({ commit: this.#options.commit !== 'manual', mayIdle: true })
    } finally {
      stopWaking()
    }
    this.#throwMismatch()
  }

  /** Commits once, in all tasks. What that sends to internal topics is processed; with `commit: 'manual'` it waits for the next commit. */
  async commit(): Promise<void> {
    const { signal } = this.#ending
    await Promise.all(this.#started().tasks.map((task) => task.commitTaken(signal)))
    await this.settle()
  }

  /** Ends the runtime as a crash would, without any commit. The log stays; `pipe` writes to it without being processed. */
  async crash(): Promise<void> {
    await this.#started().kill()
    this.#runtime = undefined
  }

  /** Starts another runtime on the same log. */
  async restart(): Promise<void> {
    await this.#startRuntime()
    await this.settle()
  }

  async crashAndRestart(): Promise<void> {
    await this.crash()
    await this.restart()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort()
    await this.#runtime?.close()
    await this.#producer?.close()
    await this.#broker.close()
  }

  /** The first one, once. */
  #throwMismatch(): void {
    const error = this.#mismatch
    this.#mismatch = undefined
    if (error) throw error
  }

  /** Resolves when what was written is where tasks take it from, as far as there is room. */
  async #fetched({ tasks }: StreamRuntime): Promise<void> {
    const ends = await this.#broker.offsets(tasks.flatMap((task) => task.partitions))
    const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
    const isFetched = () =>
      tasks.every((task) => task.inputs.hasFetched((partition) => latest.get(partitionKey(partition))))
    for (let turns = 0; !isFetched() && turns < maxTurns; turns++) await new Promise((resolve) => setImmediate(resolve))
  }

  async #createTopics(): Promise<void> {
    const topics = [...this.#topology.nodes.values()].flatMap((node) =>
      node.kind === 'processor' || node.internal ? [] : (topicName(node, 'test') ?? []),
    )
    const partitions = this.#options.partitions ?? 1
    const copied = new Set(copiedTopics(this.#topology).values())
    await this.#broker.createTopics(
      [...new Set([...topics, ...globalTopics(this.#topology)])].map((topic) => ({
        topic,
        partitions,
        // As old topics have them: for extractors.
        settings: { 'millrace.negative.timestamps': 'true' },
        ...(copied.has(topic) && { cleanup: 'compact' }),
      })),
    )
  }

  async #startRuntime(): Promise<void> {
    const { stateInMemory = true, ...settings } = runtimeOptions(this.#options)
    this.#runtime = new StreamRuntime({
      application: 'test',
      ...settings,
      topology: this.#topology,
      broker: this.#broker,
      clock: this.clock,
      stateInMemory,
    })
    await this.#runtime.start()
    this.#passLeases(this.#runtime)
  }

  /** Nobody else holds on to the partitions: what a real successor waits for is over at once. */
  #passLeases({ tasks }: StreamRuntime): void {
    const leaseEndsAt = Math.max(0, ...tasks.map((task) => task.leaseEndsAt))
    if (leaseEndsAt > this.clock.now()) this.clock.advance(leaseEndsAt - this.clock.now())
  }

  async #write<K, V>(source: TopicSource<K, V>, records: readonly TestRecord<K, V>[]): Promise<void> {
    const { topic } = source
    if (!(await this.#broker.topics([topic])).has(topic)) throw this.#notRead(topic)
    await this.#producer?.send(await this.#encoded(source, records))
  }

  #notRead(topic: string): StreamError {
    const nodes = [...this.#topology.nodes.values()]
    const own = nodes.flatMap((node) => (node.kind === 'source' && !node.internal ? [node.source.topic] : []))
    const read = [...own, ...globalTopics(this.#topology)].map((each) => `"${each}"`).join(', ')
    return new StreamError('TOPIC_MISSING', `the topology of this driver does not read topic "${topic}"`, {
      fix: `Write to one that it reads: ${read}.`,
      details: { topic },
    })
  }

  async #encoded<K, V>({ topic, ...serdes }: TopicSource<K, V>, records: readonly TestRecord<K, V>[]) {
    const isChecked = this.#options.checkSerdes ?? true
    const source = isChecked ? checkedPair(serdes, `topic "${topic}"`, this.#report) : serdes
    const { signal } = this.#ending
    const keys = (await source.key.forTopic?.({ topic, part: 'key' }, signal)) ?? source.key
    const values = (await source.value.forTopic?.({ topic, part: 'value' }, signal)) ?? source.value
    return records.map((record) => {
      const key = record.key === null ? null : keys.serialize(record.key)
      return {
        topic,
        partition: key ? keyPartition(key, keys, this.#options.partitions ?? 1) : 0,
        key,
        value: record.value === null ? null : values.serialize(record.value),
        timestamp: record.timestamp ?? this.clock.now(),
        headers: record.headers ?? noHeaders,
      }
    })
  }

  async #decoded<T>(serde: Serde<T>, bytes: Uint8Array | null): Promise<T | null> {
    if (bytes === null) return null
    await serde.prepare?.(bytes, this.#ending.signal)
    return serde.deserialize(bytes)
  }

  #started(): StreamRuntime {
    if (!this.#runtime) throw new StreamError('ILLEGAL_STATE', 'the driver has crashed; call restart first')
    return this.#runtime
  }
}

/** Who waits for a loop that sleeps is answered after a moment by the clock, which stands still in a test: real time wakes it. */
function keepAwake(runtime: StreamRuntime): Cancel {
  const wake = (): void => {
    if (!runtime.paused) runtime.resume()
    cancel = systemClock.after(wakingMs, wake)
  }
  let cancel = systemClock.after(wakingMs, wake)
  return () => cancel()
}

/** Without what is the driver's own. */
function runtimeOptions({
  broker: _,
  partitions: __,
  startMs: ___,
  commit: ____,
  checkSerdes: _____,
  ...options
}: TopologyTestDriverOptions) {
  return options
}
