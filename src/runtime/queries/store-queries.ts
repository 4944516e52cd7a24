import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { nearestName } from '../../nearest-name.ts'
import type { RowQuery, ScannedRow, StoreEntry } from '../../state/row-reader.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { Subtopology, Topology } from '../../topology/topology.ts'
import type { Behind } from '../copies/changelog-delay.ts'
import type { GlobalTables } from '../copies/global-tables.ts'
import type { StandbyTask } from '../copies/standby-task.ts'
import type { Standbys } from '../copies/standbys.ts'
import type { Host } from '../group/member-report.ts'
import type { Task } from '../tasks/task.ts'
import { partitionOfKey } from './key-partition.ts'
import { entryOf, rowQueryOf, type ScannedEntry, type StoreQuery } from './store-query.ts'

/** How stale the copy of a standby may be to answer. Without bounds only active tasks answer. */
export interface Staleness {
  /** Records of the changelog that it has not read. */
  readonly maxBehindRecords?: number | undefined
  /** Milliseconds. */
  readonly maxBehindMs?: number | undefined
}

export interface LocalReadOptions extends Staleness {
  /** Default: that of the key, or all that are here. */
  readonly partition?: number | undefined
}

/** A store of the topology. */
export interface QueryableStore {
  readonly name: string
  readonly kind: StoreSpec['kind']
  /** Name of the serde of its keys: `string`, `json` ... */
  readonly keySerde: string
  /** 1 for a global table, which every instance has as a whole. */
  readonly partitions: number
  readonly isGlobal: boolean
}

/** One partition of a store as this instance has it. */
export interface StoreCopy {
  readonly store: string
  readonly partition: number
  /** `restoring` cannot be read yet. */
  readonly role: 'active' | 'restoring' | 'standby' | 'global'
  /** Undefined where it is not known. */
  readonly behind: Behind | undefined
}

/** A partition of a store that this instance can read now. */
export interface ReadableCopy {
  readonly role: 'active' | 'standby' | 'global'
  /** Of what the owner has committed; of a global table, of its topic. */
  readonly behind: Behind | undefined
  /** Throws STORE_UNAVAILABLE when the copy is taken away meanwhile. */
  read(query: StoreQuery, after?: Uint8Array): AsyncIterable<ScannedEntry>
}

/** Who else has a partition. */
export interface StoreHosts {
  readonly active: string | undefined
  readonly standbys: readonly string[]
}

export interface StoreQueriesOptions {
  readonly topology: Topology
  readonly clock: Clock
  readonly tasks: () => readonly Task[]
  /** Undefined while the runtime is not open. */
  readonly environment: () => QueriedEnvironment | undefined
}

/** What of an open runtime is read. */
export interface QueriedEnvironment {
  /** How many tasks each sub-topology has. */
  readonly tasks: ReadonlyMap<number, number>
  readonly standbys: Standbys
  readonly globalTables: GlobalTables | undefined
}

interface Place {
  readonly spec: StoreSpec
  /** Undefined for a global table. */
  readonly subtopology: Subtopology | undefined
}

/** Who on this instance has a partition of a store. */
type Holder =
  | { readonly role: 'active'; readonly task: Task }
  | { readonly role: 'restoring' }
  | { readonly role: 'standby'; readonly standby: StandbyTask }

const uncommitted: Behind = { records: 0, ms: 0 }

/**
 * Reads the stores of a runtime while it runs. What active tasks have not committed yet is read as well; a standby has what was committed.
 *
 * @example
 * const row = await runtime.queries.get<string, number>('counts', 'zurich')
 * for await (const { key, value } of runtime.queries.entries<string, number>('counts', { prefix: 'z' })) print(key, value)
 */
export class StoreQueries {
  readonly #options: StoreQueriesOptions
  readonly #places: ReadonlyMap<string, Place>
  #address: string | undefined
  #hosts: readonly Host[] = []

  constructor(options: StoreQueriesOptions) {
    const { subtopologies, globalTables } = options.topology
    this.#options = options
    this.#places = new Map<string, Place>([
      ...subtopologies.flatMap((subtopology) =>
        subtopology.stores.flatMap((spec) =>
          (spec.queryable ?? true) ? [[spec.name, { spec, subtopology }] as const] : [],
        ),
      ),
      ...[...globalTables.values()].map(({ name, store }) => [name, { spec: store, subtopology: undefined }] as const),
    ])
  }

  // ---- reading in the program

  /**
   * The entry of a key that is on this instance; undefined when there is none. Of a window store `atMs` is the start of the window, of a session
   * store a time in the session, of a versioned store the time at which the version held (default: the latest). Throws STORE_UNKNOWN,
   * QUERY_INVALID, and STORE_UNAVAILABLE when another instance has the key, or the stores are being restored.
   */
  async get<K, V>(
    store: string,
    key: K,
    options: LocalReadOptions & { readonly atMs?: number } = {},
  ): Promise<StoreEntry<K, V> | undefined> {
    const { atMs, ...where } = options
    const { kind } = this.store(store)
    if (atMs === undefined && (kind === 'window' || kind === 'session'))
      throw new StreamError('QUERY_INVALID', `store "${store}" has many entries a key`, {
        fix: 'Give `atMs`, or ask for `entries`.',
      })
    for await (const entry of this.entries<K, V>(store, { key, atMs }, where)) return entry
    return undefined
  }

  /**
   * The entries that are on this instance, partition by partition, each in the order of the serialized keys, then of time. Each partition is
   * read as it is when its turn comes. Throws as `get`.
   */
  async *entries<K, V>(
    store: string,
    query: StoreQuery<K> = {},
    options: LocalReadOptions = {},
  ): AsyncGenerator<StoreEntry<K, V>> {
    const { partition, ...staleness } = options
    for (const each of this.#localPartitions(store, query, partition)) {
      for await (const { entry } of this.copy(store, each, staleness).read(query))
        if (entry) yield entry as StoreEntry<K, V>
    }
  }

  /** What this instance has of each store, and how far behind it is. */
  get copies(): readonly StoreCopy[] {
    return [...this.#places.values()].flatMap(({ spec, subtopology }) => {
      if (!subtopology) return { store: spec.name, partition: 0, role: 'global', behind: this.#globalBehind(spec.name) }
      return this.#partitions(spec.name).flatMap((partition) => this.#copyOf(spec.name, subtopology, partition) ?? [])
    })
  }

  // ---- for who serves and forwards

  /** Says where this instance answers others: `http://10.0.0.7:9465`. They hear of it with the next rebalance, so say it before the start. */
  advertise(address: string): void {
    this.#address = address
  }

  get address(): string | undefined {
    return this.#address
  }

  /** What the leader has told. */
  learn(hosts: readonly Host[]): void {
    this.#hosts = hosts
  }

  /** Without the buffers of steps that hold updates back. */
  get stores(): readonly QueryableStore[] {
    return [...this.#places.keys()].map((name) => this.store(name))
  }

  /** Throws STORE_UNKNOWN. */
  store(name: string): QueryableStore {
    const { spec, subtopology } = this.#place(name)
    const { kind, key } = spec
    return { name, kind, keySerde: key.name, partitions: this.#count(subtopology), isGlobal: !subtopology }
  }

  /** Where what a query asks for may be: one partition when its key says which. Throws STORE_UNKNOWN, QUERY_INVALID. */
  partitionsOf(store: string, query: StoreQuery): readonly number[] {
    const { spec, subtopology } = this.#place(store)
    const { key } = rowQueryOf(spec, query)
    const partitions = this.#count(subtopology)
    if (!key || !subtopology) return this.#partitions(store)
    const { topology } = this.#options
    const own = partitionOfKey(spec, key, { topology, subtopology, partitions })
    return own === undefined ? this.#partitions(store) : [own]
  }

  /** Other instances that have a partition, as far as they have said where they answer. */
  hostsOf(store: string, partition: number): StoreHosts {
    const { subtopology } = this.#place(store)
    if (!subtopology) return { active: undefined, standbys: [] }
    const id: TaskId = `${subtopology.id}_${partition}`
    const others = this.#hosts.filter(({ address }) => address !== this.#address)
    return {
      active: others.find(({ tasks }) => tasks.includes(id))?.address,
      standbys: others.filter(({ standbys }) => standbys.includes(id)).map(({ address }) => address),
    }
  }

  /** A partition as this instance can read it. Throws STORE_UNKNOWN, QUERY_INVALID, and STORE_UNAVAILABLE when it cannot. */
  copy(store: string, partition: number, staleness: Staleness = {}): ReadableCopy {
    const place = this.#place(store)
    if (!this.#partitions(store).includes(partition))
      throw new StreamError('QUERY_INVALID', `store "${store}" has no partition ${partition}`, {
        fix: `Name one from 0 to ${this.#count(place.subtopology) - 1}.`,
      })
    const { subtopology, spec } = place
    if (!subtopology) return this.#globalCopy(spec)
    const id: TaskId = `${subtopology.id}_${partition}`
    const where = `partition ${partition} of store "${store}"`
    const holder = this.#holderOf(store, id)
    if (!holder) throw unavailable(`${where} is on another instance`)
    if (holder.role === 'restoring') throw unavailable(`task ${id} restores store "${store}"`)
    if (holder.role === 'active') return this.#activeCopy(spec, holder.task)
    return this.#standbyCopy(spec, holder.standby, where, staleness)
  }

  // ---- copies

  /** Undefined: nobody has it here. */
  #holderOf(store: string, id: TaskId): Holder | undefined {
    const task = this.#options.tasks().find((candidate) => candidate.id === id)
    const { phase } = task?.view ?? {}
    // While a rebalance goes on nobody else can have what was only suspended for it.
    if (task && (phase === 'running' || phase === 'suspended')) return { role: 'active', task }
    if (phase === 'restoring') return { role: 'restoring' }
    const standby = this.#options.environment()?.standbys.of(id)
    return standby?.follows(store) ? { role: 'standby', standby } : undefined
  }

  #activeCopy(spec: StoreSpec, task: Task): ReadableCopy {
    const ttlMs = spec.kind === 'timestamped-key-value' ? spec.ttlMs : undefined
    const overSinceMs = ttlMs === undefined ? Number.NEGATIVE_INFINITY : task.view.streamTime - ttlMs
    return readable(spec, 'active', uncommitted, { read: (query) => task.state.read(spec.name, query), overSinceMs })
  }

  #standbyCopy(
    spec: StoreSpec,
    standby: StandbyTask,
    where: string,
    { maxBehindMs, maxBehindRecords }: Staleness,
  ): ReadableCopy {
    if (maxBehindMs === undefined && maxBehindRecords === undefined)
      throw unavailable(`${where} is here as a standby only`, 'Say how far behind an answer may be, or ask its owner.')
    const behind = standby.behind(spec.name)
    const isNear = behind && behind.ms <= (maxBehindMs ?? Infinity) && behind.records <= (maxBehindRecords ?? Infinity)
    if (!isNear) {
      const distance = behind ? `${behind.records} records and ${behind.ms} ms` : 'nobody knows how far'
      throw unavailable(`the standby of ${where} is behind: ${distance}`)
    }
    return readable(spec, 'standby', behind, { read: (query) => standby.state.read(spec.name, query) })
  }

  #globalCopy(spec: StoreSpec): ReadableCopy {
    const tables = this.#environment.globalTables
    if (!tables) throw unavailable('the runtime is not open')
    return readable(spec, 'global', this.#globalBehind(spec.name), { read: (query) => tables.read(spec.name, query) })
  }

  #globalBehind(name: string): Behind | undefined {
    const lag = this.#options.environment()?.globalTables?.view.find((table) => table.name === name)?.lag
    return lag === undefined ? undefined : { records: lag, ms: 0 }
  }

  #copyOf(store: string, { id }: Subtopology, partition: number): StoreCopy | undefined {
    const holder = this.#holderOf(store, `${id}_${partition}`)
    if (!holder) return undefined
    const { role } = holder
    const behind = role === 'standby' ? holder.standby.behind(store) : role === 'active' ? uncommitted : undefined
    return { store, partition, role, behind }
  }

  // ---- partitions

  #localPartitions(store: string, query: StoreQuery, partition: number | undefined): readonly number[] {
    if (partition !== undefined) return [partition]
    const possible = this.partitionsOf(store, query)
    if (possible.length === 1) return possible
    const here = new Set(this.copies.filter((copy) => copy.store === store).map((copy) => copy.partition))
    return possible.filter((candidate) => here.has(candidate))
  }

  #partitions(store: string): readonly number[] {
    return Array.from({ length: this.#count(this.#place(store).subtopology) }, (_, partition) => partition)
  }

  #count(subtopology: Subtopology | undefined): number {
    return subtopology ? (this.#environment.tasks.get(subtopology.id) ?? 0) : 1
  }

  get #environment(): QueriedEnvironment {
    const environment = this.#options.environment()
    if (!environment) throw unavailable('the runtime is not open')
    return environment
  }

  #place(name: string): Place {
    const place = this.#places.get(name)
    if (place) return place
    const names = [...this.#places.keys()]
    const nearest = nearestName(name, names)
    const known = names.length > 0 ? `There are ${names.join(', ')}.` : 'The topology has none.'
    const isHidden = this.#options.topology.stores.has(name)
    const fact = isHidden ? `store "${name}" can be read by its step only` : `there is no store "${name}"`
    throw new StreamError('STORE_UNKNOWN', fact, {
      fix: nearest === undefined ? known : `Did you mean "${nearest}"?`,
      details: { store: name },
    })
  }
}

function readable(
  spec: StoreSpec,
  role: ReadableCopy['role'],
  behind: Behind | undefined,
  rows: { readonly read: (query: RowQuery) => AsyncIterable<ScannedRow>; readonly overSinceMs?: number },
): ReadableCopy {
  return {
    role,
    behind,
    async *read(query, after) {
      try {
        for await (const row of rows.read(rowQueryOf(spec, query, after)))
          yield entryOf(spec, row, rows.overSinceMs ?? Number.NEGATIVE_INFINITY)
      } catch (cause) {
        // The store was closed: its task has gone to another instance.
        if (!isStreamError(cause) || cause.code !== 'ILLEGAL_STATE') throw cause
        throw unavailable(`store "${spec.name}" is being taken away`, undefined, cause)
      }
    },
  }
}

function unavailable(fact: string, fix?: string, cause?: unknown): StreamError {
  return new StreamError('STORE_UNAVAILABLE', fact, { ...(fix && { fix }), cause })
}
