import { factOfAll, StreamError } from '../errors.ts'
import { storable } from '../serde.ts'
import type { StoreSpec } from '../state/store.ts'
import { GlobalTable, globalTableSpec } from './global-table.ts'
import { type DraftNode, finishGraph, type GraphDraft } from './graph.ts'
import type { ProcessorSupplier, Sink } from './processor.ts'
import type { TopicSource, TopicTarget } from './source.ts'
import { Stream, type StreamGraph, type Table } from './stream.ts'
import { materialize, type SourceTableStore, storedRows, type TableStore } from './table.ts'
import type { AnySource, AnySupplier, Topology } from './topology.ts'
import { validate } from './validate.ts'

/**
 * Declares a topology step by step. Nothing happens until a runtime runs what `build` returns.
 *
 * Every node has a name, and store, changelog topic and metric labels derive from it: renaming a node orphans its state, reordering
 * or adding nodes does not.
 *
 * @example
 * const builder = new TopologyBuilder()
 * builder.stream('documents', source).process(dedupe('unchanged')).to('copy', target)
 * export default builder.build()
 */
export class TopologyBuilder {
  readonly #draft: GraphDraft = { nodes: [], stores: [], globalTables: [] }

  readonly #graph: StreamGraph = {
    process: (parent, supplier) => this.#addProcessor([parent], supplier),
    to: (parent, name, target) => this.#addSink(parent, name, target),
  }

  /** Reads a topic as a stream of independent records. */
  stream<K, V>(name: string, source: TopicSource<K, V>): Stream<K, V> {
    return new Stream<K, V>(this.#addSource(name, source), this.#graph)
  }

  /**
   * Reads a topic as a changelog: the latest value of every key, in the store `name`, and null deletes. What arrived last holds, whatever
   * its timestamp. Records without a key are dropped and counted. The store has the serdes of the topic unless `store` says otherwise,
   * and MessagePack in the place of those that need a schema registry.
   *
   * With `changelog: 'source'` the table has no changelog: its rows are restored from the topic itself, which must be compacted
   * (TOPIC_MISMATCH at the start). That is safe for a table that is looked up and sent on. Steps behind it that need what a change
   * replaced are TOPOLOGY_INVALID, as are serdes other than those of the topic, a source that chooses its timestamps, and a history.
   *
   * With `historyMs` it is a versioned table: rows are known as they were at any time so far back, and the record with the latest timestamp
   * holds. One that comes out of order goes to its place in the history; one that is older is dropped and counted (`late`). A negative
   * `historyMs` is CONFIG_INVALID.
   *
   * @example
   * const prices = builder.table('prices', kafka({ topic: 'prices', key: string, value: json(Price) }), { historyMs: 3_600_000 })
   */
  table<K, V>(name: string, source: TopicSource<K, V>, store: SourceTableStore<K, V> = {}): Table<K, V> {
    const { changelog = 'own', ...kept } = store
    const { key = storable(source.key), value = storable(source.value) } = kept
    const copied = changelog === 'source'
    if (copied && kept.historyMs !== undefined) {
      const fact = `the history of table "${name}" cannot be restored from topic "${source.topic}", which has the latest rows only`
      throw new StreamError('TOPOLOGY_INVALID', fact, { fix: "Leave out `changelog: 'source'` or `historyMs`." })
    }
    if (copied && (source.timestamp || key !== source.key || value !== source.value)) {
      const fact = `table "${name}" cannot be restored from topic "${source.topic}", whose records have other times or serdes than its rows`
      throw new StreamError('TOPOLOGY_INVALID', fact, { fix: "Leave out `changelog: 'source'`." })
    }
    return this.stream(`${name}-source`, source).derive(
      materialize(name, 'table', { ...kept, key, value, copyOf: copied ? source.topic : undefined }),
      { ...storedRows<K, V>(name, key, { ...kept, value }), ...(copied && { copied }) },
    )
  }

  /**
   * Reads a topic as a table that every instance has as a whole, whatever partitions it works on: for rows that are looked up by any key, in
   * `joinGlobalTable` or by a processor that names the table in `globalTables`. No task starts before the table is as its topic was then. The
   * topic is its changelog, so it should be compacted. It has the times of its log: a source that chooses others is TOPOLOGY_INVALID.
   *
   * @example
   * const countries = builder.globalTable('countries', kafka({ topic: 'countries', key: string, value: json(Country) }))
   */
  globalTable<K, V>(name: string, source: TopicSource<K, V>, store: TableStore<K, V> = {}): GlobalTable<K, V> {
    this.#draft.globalTables.push(globalTableSpec(name, source, store))
    return new GlobalTable<K, V>(name)
  }

  /** Declares a store that several nodes name in their `stores`. */
  addStore(spec: StoreSpec): this {
    this.#draft.stores.push(spec)
    return this
  }

  /** Checks everything and freezes it. Throws TOPOLOGY_INVALID with all problems, a line each, and in `details.problems`. */
  build(): Topology {
    const problems = validate(this.#draft)
    if (problems.length > 0) {
      throw new StreamError('TOPOLOGY_INVALID', factOfAll('the topology', problems), { details: { problems } })
    }
    return finishGraph(this.#draft)
  }

  #addSource<K, V>(name: string, source: TopicSource<K, V>): string {
    this.#draft.nodes.push({ kind: 'source', name, source: source as AnySource, internal: false, parents: [] })
    return name
  }

  #addProcessor(parents: readonly string[], supplier: AnySupplier): string {
    if (supplier.precededBy) {
      const { precededBy, ...own } = supplier
      return this.#addProcessor([this.#addProcessor(parents, precededBy)], own)
    }
    const inputs = (supplier.inputs ?? []).map(({ name, through }) =>
      through ? this.#addProcessor([name], through) : name,
    )
    const node: DraftNode = { kind: 'processor', name: supplier.name, supplier, parents: [...parents, ...inputs] }
    this.#draft.nodes.push(node)
    return supplier.repartition ? this.#addRepartition(supplier) : supplier.name
  }

  /** Node `by-author` that repartitions becomes: by-author -> by-author-repartition-sink -> (topic) -> by-author-repartition-source. */
  #addRepartition(supplier: ProcessorSupplier<never, never, unknown, unknown>): string {
    if (!supplier.repartition) return supplier.name
    const { key, value, partitions, partition, name = supplier.name } = supplier.repartition
    const { topic = `${name}-repartition` } = supplier.repartition
    this.#draft.nodes.push(
      {
        kind: 'sink',
        name: `${topic}-sink`,
        target: { kind: 'topic-target', topic, key, value, ...(partition && { partition }) },
        internal: true,
        partitions,
        parents: [supplier.name],
      },
      {
        kind: 'source',
        name: `${topic}-source`,
        source: { kind: 'topic-source', topic, key, value },
        internal: true,
        parents: [],
      },
    )
    return `${topic}-source`
  }

  #addSink(parent: string, name: string, target: TopicTarget<unknown, unknown> | Sink<unknown, unknown>): void {
    const end = 'kind' in target ? target : ({ kind: 'sink', sink: target } as const)
    this.#draft.nodes.push({
      kind: 'sink',
      name,
      target: end,
      internal: false,
      partitions: undefined,
      parents: [parent],
    })
  }
}
