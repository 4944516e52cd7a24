import { StreamError } from '../errors.ts'
import type { Timestamped } from '../state/store.ts'
import type { ProcessorSupplier, Sink, StreamHandle } from './processor.ts'
import type { TopicTarget } from './source.ts'
import { type Change, newValues, type StoreAccess, type TableRows } from './table.ts'
import { choosesTopic, chosenSink, type TopicChoice } from './topic-choice.ts'

/** What a Stream asks of its builder. */
export interface StreamGraph {
  process(parent: string, supplier: ProcessorSupplier<never, never, unknown, unknown>): string
  to(parent: string, name: string, target: TopicTarget<unknown, unknown> | Sink<unknown, unknown>): void
}

/**
 * Records on their way through a topology. A handle only: each step returns a new one, and the types of key and value flow along.
 *
 * @example
 * builder.stream('views', kafka({ topic: 'views', key: string, value: json(View) }))
 *   .process(filter('humans', (view) => !view.bot))
 *   .to('humans-only', kafkaTopic({ topic: 'human-views', key: string, value: json(View) }))
 */
export class Stream<K, V> implements StreamHandle {
  readonly name: string
  readonly #graph: StreamGraph

  constructor(name: string, graph: StreamGraph) {
    this.name = name
    this.#graph = graph
  }

  /** Adds one step: what an operator returned, or a ProcessorSupplier of your own. */
  process<KOut, VOut>(supplier: ProcessorSupplier<K, V, KOut, VOut>): Stream<KOut, VOut> {
    return new Stream<KOut, VOut>(this.#graph.process(this.name, supplier), this.#graph)
  }

  /**
   * Makes a table of the stream: of the latest value of each key, or of the results of an aggregation, in the store that it has anyway.
   *
   * @example
   * const users = updates.toTable(latest('users', { value: json(User) }))
   * const views = clicks.toTable(count('views-per-user'))
   */
  toTable<KOut, VOut>(step: TableMaker<K, V, KOut, VOut>): Table<KOut, VOut> {
    return step.onStream(this)
  }

  /**
   * Parts the stream into several.
   *
   * @example
   * const { urgent, rest } = orders.split(branches('orders', { urgent: (order) => order?.express === true, rest: () => true }))
   */
  split<B extends string>(step: StreamSplit<K, V, B>): Readonly<Record<B, Stream<K, V>>> {
    return step.onStream(this)
  }

  /** For operators: adds one node that sends changes; `rows` finds what it sends. */
  derive<KOut, VOut>(
    supplier: ProcessorSupplier<K, V, KOut, Change<VOut>>,
    rows: TableRows<KOut, VOut>,
  ): Table<KOut, VOut> {
    return new Table<KOut, VOut>(this.#graph.process(this.name, supplier), this.#graph, rows)
  }

  /** Ends the stream in a topic or an index; in one of several topics, through the sinks `<name>-<topic>`. */
  to(name: string, target: TopicTarget<K, V> | TopicChoice<K, V> | Sink<K, V>): void {
    if (!('kind' in target) || target.kind === 'topic-target') this.#graph.to(this.name, name, target)
    else {
      const chosen = this.#graph.process(this.name, choosesTopic(name, target))
      for (const one of target.targets) this.#graph.to(chosen, chosenSink(name, one.topic), one)
    }
  }
}

/** What an operator returns whose results are a table: adds its nodes behind a stream. */
export interface TableMaker<K, V, KOut, VOut> {
  readonly onStream: (stream: Stream<K, V>) => Table<KOut, VOut>
}

/** What an operator returns that parts a stream: adds its nodes, and gives the streams that come out of them. */
export interface StreamSplit<K, V, B extends string> {
  readonly onStream: (stream: Stream<K, V>) => Readonly<Record<B, Stream<K, V>>>
}

/** What an operator returns that works on tables: adds its nodes behind a table, and gives the table that comes out of them. */
export interface TableOperator<K, V, KOut, VOut> {
  readonly onTable: (table: Table<K, V>) => Table<KOut, VOut>
}

/**
 * The latest value of every key. A handle, as a Stream is. Steps keep it up to date: what comes out of `process` is a table again.
 *
 * A processor of your own looks rows up when it names the stores:
 *
 * @example
 * const authors = builder.table('authors', kafka({ topic: 'authors', key: string, value: json(Author) }))
 * const active = authors.process(filter('active', (author) => author.active))
 * views.process({ ...step, stores: active.stores, create: () => ({
 *   process: (record, context) => context.forward({ ...record, value: active.get(record.key, context)?.value ?? null }),
 * }) })
 */
export class Table<K, V> implements StreamHandle {
  readonly name: string
  readonly rows: TableRows<K, V>
  readonly #graph: StreamGraph
  #changes: Stream<K, V> | undefined

  constructor(name: string, graph: StreamGraph, rows: TableRows<K, V>) {
    this.name = name
    this.rows = rows
    this.#graph = graph
  }

  /** The stores behind the rows, to connect other nodes to. */
  get stores(): readonly string[] {
    return this.rows.stores
  }

  /** The row of a key, with its time in milliseconds. The node of the context has to name the `stores`; else STORE_UNKNOWN. */
  get(key: K, context: StoreAccess): Timestamped<V> | undefined {
    return this.rows.get(key, context)
  }

  /** As `get`, but the row as it was at a time. Throws TOPOLOGY_INVALID for a table without a history: see `historyMs`. */
  getAsOf(key: K, asOfMs: number, context: StoreAccess): Timestamped<V> | undefined {
    if (this.rows.history) return this.rows.history.getAsOf(key, asOfMs, context)
    const fact = `table "${this.name}" knows only the latest rows`
    throw new StreamError('TOPOLOGY_INVALID', fact, { fix: 'Give the table `historyMs`, or use `get`.' })
  }

  /** Adds one step: what an operator for tables returned. */
  process<KOut, VOut>(operator: TableOperator<K, V, KOut, VOut>): Table<KOut, VOut> {
    return operator.onTable(this)
  }

  /** For operators: adds one node, which gets changes and sends changes; `rows` finds what it sends. Throws TOPOLOGY_INVALID. */
  derive<KOut, VOut>(
    supplier: ProcessorSupplier<K, Change<V>, KOut, Change<VOut>>,
    rows: TableRows<KOut, VOut>,
  ): Table<KOut, VOut> {
    this.#requireOldValues(supplier.name)
    return new Table<KOut, VOut>(this.#graph.process(this.name, supplier), this.#graph, rows)
  }

  /** For operators: adds one node, which gets changes and sends records. Throws TOPOLOGY_INVALID. */
  deriveStream<KOut, VOut>(supplier: ProcessorSupplier<K, Change<V>, KOut, VOut>): Stream<KOut, VOut> {
    this.#requireOldValues(supplier.name)
    return new Stream<KOut, VOut>(this.#graph.process(this.name, supplier), this.#graph)
  }

  /** Every change of the table as a record, tombstones included. The node in between is `<name>-to-stream`. */
  toStream(): Stream<K, V> {
    this.#changes ??= new Stream<K, V>(
      this.#graph.process(this.name, newValues<K, V>(`${this.name}-to-stream`)),
      this.#graph,
    )
    return this.#changes
  }

  #requireOldValues(step: string): void {
    if (!this.rows.copied) return
    const fact = `step "${step}" needs to know what a change of table "${this.name}" replaced, which its topic may have forgotten`
    throw new StreamError('TOPOLOGY_INVALID', fact, { fix: "Leave out `changelog: 'source'` of the table." })
  }
}
