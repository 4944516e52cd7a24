import type { StreamError } from '../errors.ts'
import { MetricRegistry } from '../metric-registry.ts'
import type { MetricLevel } from '../metrics.ts'
import type {
  DeliveredEvent,
  GivenUpEvent,
  GlobalReadEvent,
  LoopPhase,
  NodeEvent,
  PartitionLag,
  RebalancedEvent,
  RestoredEvent,
  RestoreEvent,
  RuntimeObserver,
  StandbyEvent,
} from '../runtime/observer.ts'
import type { RuntimeView } from '../runtime/views.ts'
import type { DropReason, SharedWork, TaskId } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'
import { BatchCounts } from './batch-counts.ts'
import { DocumentCounts } from './document-counts.ts'
import { beginAtZero } from './first-values.ts'
import { Gauges } from './gauges.ts'
import { Lateness } from './lateness.ts'
import { ProcessGauges } from './process-gauges.ts'
import { TaskLabels } from './task-labels.ts'
import { type WatchedNodes, watchedNodes } from './watched-nodes.ts'

export interface RuntimeMetricsOptions {
  readonly topology: Topology
  /** The name of the application, the label of every series. */
  readonly application: string
  /** `debug` adds what costs something for every record at every node, and for every operation of a store. Default `info`. */
  readonly level?: MetricLevel
}

/**
 * The metrics of one runtime (docs/reference.md): an observer that counts, in a registry of its own. What can be looked at is looked at
 * when somebody scrapes.
 *
 * @example
 * const metrics = new RuntimeMetrics({ topology, application: 'documents-to-index' })
 * const runtime = new StreamRuntime({ topology, broker, application: 'documents-to-index', observer: metrics })
 * await using server = await serveOperations({ runtime, metrics, port: 9464 })
 */
export class RuntimeMetrics implements RuntimeObserver {
  readonly #registry: MetricRegistry
  readonly #nodes: WatchedNodes
  readonly #labels = new TaskLabels()
  readonly #documents: DocumentCounts
  readonly #batches: BatchCounts
  readonly #lateness: Lateness
  readonly #gauges: Gauges
  readonly #process: ProcessGauges
  /** Absent below level debug: whoever sees none does not look at the clock for it. */
  readonly storeUsed?: NonNullable<RuntimeObserver['storeUsed']>

  constructor({ topology, application, level = 'info' }: RuntimeMetricsOptions) {
    this.#registry = new MetricRegistry({ application, level })
    this.#nodes = watchedNodes(topology)
    this.#documents = new DocumentCounts(this.#registry, this.#nodes)
    this.#batches = new BatchCounts(this.#registry, this.#nodes)
    this.#lateness = new Lateness(this.#registry)
    this.#gauges = new Gauges(this.#registry, this.#nodes, this.#labels)
    this.#process = new ProcessGauges(this.#registry)
    beginAtZero(this.#registry, this.#nodes, topology)
    if (level === 'debug') {
      this.storeUsed = (_task, store, op, durationMs) =>
        this.#registry.observe('store_op_duration_seconds', { store, op }, durationMs / 1000)
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** Everything as it is now, in the text format of Prometheus. */
  async text(view: RuntimeView): Promise<string> {
    await this.#gauges.look(view)
    this.#process.look()
    return this.#registry.text()
  }

  /** Ends what watches the process. */
  close(): void {
    this.#process.close()
  }

  // ---- what the runtime tells

  taken(task: TaskId, _source: unknown, timestamp: number): void {
    this.#registry.add('records_processed_total', { task: this.#labels.of(task) })
    this.#lateness.taken(task, timestamp)
  }

  finished(_task: TaskId, durationMs: number): void {
    this.#registry.observe('process_duration_seconds', {}, durationMs / 1000)
  }

  processed(event: NodeEvent): void {
    const { node, outputs } = event
    this.#documents.count(event)
    if (this.#registry.level !== 'debug') return
    this.#registry.add('node_records_total', { node, direction: 'in' })
    this.#registry.add('node_records_total', { node, direction: 'out' }, outputs.length)
  }

  forwarded(_task: TaskId, node: string, records: number): void {
    if (this.#registry.level === 'debug') this.#registry.add('node_records_total', { node, direction: 'out' }, records)
  }

  began(_task: TaskId, node: string): void {
    this.#gauges.waiting(node, 1)
  }

  ended(_task: TaskId, node: string, durationMs: number): void {
    this.#gauges.waiting(node, -1)
    if (this.#nodes.embedders.has(node)) this.#registry.observe('embed_duration_seconds', { node }, durationMs / 1000)
  }

  shared(_task: TaskId, node: string, work: SharedWork): void {
    this.#batches.count(node, work)
  }

  delivered({ node, record, at, durationMs }: DeliveredEvent): void {
    const age = (at - record.timestamp) / 1000
    const index = this.#nodes.indexes.get(node)?.name
    if (index !== undefined) {
      this.#registry.observe('freshness_seconds', { index }, age)
      this.#gauges.indexed(index, record.timestamp)
      this.#registry.observe('sink_write_duration_seconds', { index }, durationMs / 1000)
    } else if (this.#nodes.topicSinks.has(node)) this.#registry.observe('record_e2e_latency_seconds', { node }, age)
  }

  retried(_task: TaskId, node: string, { code }: StreamError): void {
    this.#registry.add('record_retries_total', { node, code })
  }

  dropped(task: TaskId, reason: DropReason): void {
    this.#registry.add('records_dropped_total', { task: this.#labels.of(task), reason })
  }

  givenUp({ task, node, error, deadLettered }: GivenUpEvent): void {
    if (deadLettered) this.#registry.add('dead_letters_total', { node, code: error.code })
    else this.#registry.add('records_dropped_total', { task: this.#labels.of(task), reason: 'skipped' })
  }

  committed(_task: TaskId, _records: number, durationMs: number): void {
    this.#registry.add('commits_total', { result: 'ok' })
    this.#registry.observe('commit_duration_seconds', {}, durationMs / 1000)
  }

  commitFailed(): void {
    this.#registry.add('commits_total', { result: 'failed' })
  }

  changelogWritten(_task: TaskId, store: string, records: number): void {
    this.#registry.add('changelog_produce_total', { store }, records)
  }

  restoring(event: RestoreEvent): void {
    const { task, store, restored } = event
    this.#registry.add('restore_records_total', { task: this.#labels.of(task), store }, restored)
    this.#gauges.restoring(event)
  }

  restored({ task, durationMs }: RestoredEvent): void {
    this.#registry.observe('restore_duration_seconds', {}, durationMs / 1000)
    this.#gauges.restored(task)
    this.#lateness.beginAnew(task)
  }

  globalRead({ table, records }: GlobalReadEvent): void {
    this.#registry.add('global_table_records_total', { table }, records)
  }

  globalDropped(table: string, reason: string): void {
    this.#registry.add('global_table_dropped_total', { table, reason })
  }

  standby({ task, lags }: StandbyEvent): void {
    this.#gauges.standby(task, lags)
  }

  rebalanced({ reason, durationMs }: RebalancedEvent): void {
    this.#registry.add('rebalances_total', { reason })
    this.#registry.observe('rebalance_duration_seconds', { reason }, durationMs / 1000)
  }

  fetched(_partition: unknown, records: number): void {
    this.#registry.observe('poll_records', {}, records)
  }

  polled(durationMs: number): void {
    this.#registry.observe('poll_duration_seconds', {}, durationMs / 1000)
  }

  worked(phase: LoopPhase, durationMs: number): void {
    this.#registry.add('loop_seconds_total', { phase }, durationMs / 1000)
  }

  lagged(lags: readonly PartitionLag[]): void {
    this.#gauges.lagged(lags)
  }
}
