import { statfs } from 'node:fs/promises'
import type { MetricRegistry } from '../metric-registry.ts'
import type { PartitionLag, RestoreEvent } from '../runtime/observer.ts'
import type { RuntimeState, RuntimeView, TaskView } from '../runtime/views.ts'
import type { DropReason, TaskId } from '../topology/processor.ts'
import { readVersion } from '../version.ts'
import { StoreGauges } from './store-gauges.ts'
import { folded, type TaskLabels } from './task-labels.ts'
import type { EmbedderView, WatchedNodes } from './watched-nodes.ts'

const states: readonly RuntimeState[] = ['created', 'starting', 'rebalancing', 'running', 'closing', 'closed', 'failed']
/** In these the work loop runs. */
const working: readonly RuntimeState[] = ['rebalancing', 'running', 'closing']
const dropReasons: readonly (DropReason | 'skipped')[] = [
  'null_key',
  'null_value',
  'timestamp',
  'late',
  'stale',
  'skipped',
]
const phases = ['restoring', 'running', 'suspended'] as const

/** Gauges, and totals that others keep: brought up to date when somebody scrapes. */
export class Gauges {
  readonly #registry: MetricRegistry
  readonly #nodes: WatchedNodes
  readonly #labels: TaskLabels
  readonly #stores: StoreGauges
  /** Offsets that are left, by task and store. */
  readonly #remaining = new Map<TaskId, Map<string, number>>()
  /** By task and store. */
  readonly #standbyLags = new Map<TaskId, ReadonlyMap<string, number>>()
  readonly #waiting = new Map<string, number>()
  /** Times at the source, by index. */
  readonly #newest = new Map<string, number>()
  #lags: readonly PartitionLag[] = []

  constructor(registry: MetricRegistry, nodes: WatchedNodes, labels: TaskLabels) {
    this.#registry = registry
    this.#nodes = nodes
    this.#labels = labels
    this.#stores = new StoreGauges(registry)
    const build = { version: readVersion(), node: process.version }
    registry.replace('build_info', [[build, 1]])
    for (const node of nodes.embedders.keys()) this.#waiting.set(node, 0)
  }

  /** A record begins or ends to wait at a node. */
  waiting(node: string, by: 1 | -1): void {
    const before = this.#waiting.get(node)
    if (before !== undefined) this.#waiting.set(node, before + by)
  }

  restoring({ task, store, remaining }: RestoreEvent): void {
    const stores = this.#remaining.get(task) ?? new Map<string, number>()
    this.#remaining.set(task, stores.set(store, remaining))
  }

  restored(task: TaskId): void {
    this.#remaining.delete(task)
  }

  standby(task: TaskId, lags: ReadonlyMap<string, number>): void {
    this.#standbyLags.set(task, lags)
  }

  /** A version from this time is in the index. */
  indexed(index: string, timestamp: number): void {
    this.#newest.set(index, Math.max(timestamp, this.#newest.get(index) ?? timestamp))
  }

  lagged(lags: readonly PartitionLag[]): void {
    this.#lags = lags
  }

  async look(view: RuntimeView): Promise<void> {
    this.#lookAtInstance(view)
    this.#lookAtTasks(view)
    this.#lookAtRestores(view)
    this.#lookAtGlobalTables(view)
    this.#lookAtLags()
    this.#lookAtEmbedders()
    this.#lookAtIndexes()
    await this.#stores.look(view.tasks)
    if (view.stateDirectory !== undefined) await this.#lookAtDisk(view.stateDirectory)
  }

  #lookAtInstance({ state, isMember, tasks, standbys, busySince, now }: RuntimeView): void {
    const registry = this.#registry
    registry.replace(
      'client_state',
      states.map((name) => [{ state: name }, name === state ? 1 : 0]),
    )
    registry.replace('group_member', [[{}, isMember ? 1 : 0]])
    registry.replace('tasks', [
      ...phases.map((phase) => {
        const count = tasks.filter((task) => task.phase === phase).length
        return [{ kind: 'active', state: phase }, count] as const
      }),
      [{ kind: 'standby', state: 'following' }, standbys.length],
    ])
    const polledAt = Math.min(busySince ?? now, now)
    registry.replace('last_poll_timestamp_seconds', working.includes(state) ? [[{}, polledAt / 1000]] : [])
  }

  #lookAtTasks({ tasks, now }: RuntimeView): void {
    const label = ({ id }: TaskView) => this.#labels.of(id)
    const sum = (value: (task: TaskView) => number) => folded(tasks, { label, value })
    const age = ({ uncommittedSince }: TaskView) => Math.max(0, now - (uncommittedSince ?? now)) / 1000
    const registry = this.#registry
    registry.replace('task_state', this.#taskStates(tasks))
    registry.replace(
      'queued_bytes',
      sum((task) => task.queuedBytes),
    )
    registry.replace(
      'in_flight_records',
      sum((task) => task.inFlight),
    )
    registry.replace(
      'generations_open',
      sum((task) => task.openGenerations),
    )
    registry.replace('uncommitted_age_seconds', folded(tasks, { label, value: age, join: Math.max }))
    for (const task of new Set(tasks.map(label))) {
      registry.start('records_processed_total', { task })
      for (const reason of dropReasons) registry.start('records_dropped_total', { task, reason })
    }
  }

  /** One series a task: that of the state that it is in. */
  #taskStates(tasks: readonly TaskView[]) {
    const groups = Map.groupBy(tasks, ({ id, phase }) => JSON.stringify([this.#labels.of(id), phase]))
    return [...groups.values()].flatMap((group) => {
      const [first] = group
      return first ? [[{ task: this.#labels.of(first.id), state: first.phase }, group.length] as const] : []
    })
  }

  /** Every store of every task has a series: 0 says that nothing is missing. */
  #lookAtRestores({ topology, tasks, standbys }: RuntimeView): void {
    const storesOf = (id: TaskId) => topology.subtopologies.find((own) => id.startsWith(`${own.id}_`))?.stores ?? []
    const names = [...new Set(tasks.flatMap(({ id }) => storesOf(id).map(({ name }) => name)))]
    const series = names.flatMap((store) => {
      const own = tasks.filter(({ id }) => storesOf(id).some(({ name }) => name === store))
      const value = ({ id }: TaskView) => this.#remaining.get(id)?.get(store) ?? 0
      return folded(own, { label: ({ id }) => this.#labels.of(id), value }).map(
        ([{ task }, remaining]) => [{ task, store }, remaining] as const,
      )
    })
    this.#registry.replace('restore_remaining_records', series)
    for (const [labels] of series) this.#registry.start('restore_records_total', labels)
    const ids = new Set(tasks.map(({ id }) => id))
    for (const id of this.#remaining.keys()) if (!ids.has(id)) this.#remaining.delete(id)
    for (const id of this.#standbyLags.keys()) if (!standbys.includes(id)) this.#standbyLags.delete(id)
    this.#lookAtStandbys()
  }

  #lookAtStandbys(): void {
    const lags = [...this.#standbyLags].flatMap(([id, own]) => [...own].map(([store, lag]) => ({ id, store, lag })))
    const parts = { label: ({ id }: { id: TaskId }) => this.#labels.of(id), value: ({ lag }: { lag: number }) => lag }
    this.#registry.replace(
      'standby_lag_records',
      [...Map.groupBy(lags, ({ store }) => store)].flatMap(([store, own]) =>
        folded(own, parts).map(([{ task }, lag]) => [{ task, store }, lag] as const),
      ),
    )
  }

  #lookAtGlobalTables({ globalTables }: RuntimeView): void {
    this.#registry.replace(
      'global_table_lag_records',
      globalTables.map(({ name, lag }) => [{ table: name }, lag]),
    )
  }

  #lookAtLags(): void {
    const labelled = this.#lags.map((lag) => ({
      lag,
      labels: { topic: lag.topic, partition: String(lag.partition), task: this.#labels.of(lag.task) },
    }))
    this.#registry.replace(
      'consumer_lag_records',
      labelled.map(({ labels, lag }) => [labels, lag.records]),
    )
    this.#registry.replace(
      'consumer_lag_seconds',
      labelled.map(({ labels, lag }) => [labels, lag.behindMs / 1000]),
    )
  }

  #lookAtEmbedders(): void {
    const registry = this.#registry
    registry.replace(
      'embed_waiting_documents',
      [...this.#waiting].map(([node, count]) => [{ node }, count]),
    )
    const open = [...this.#nodes.embedders].flatMap(([node, embedder]) => opened(node, embedder))
    registry.replace(
      'model_info',
      open.map(({ node, id, stats }) => [{ node, model: id, device: stats.device ?? 'none' }, 1]),
    )
    registry.replace(
      'embed_queue_oldest_seconds',
      open.flatMap(({ node, stats: { oldestWaitMs } }) =>
        oldestWaitMs === undefined ? [] : [[{ node }, oldestWaitMs / 1000] as const],
      ),
    )
    registry.replace(
      'embed_queue_texts',
      open.flatMap(({ node, stats: { waitingTexts } }) =>
        waitingTexts === undefined ? [] : [[{ node }, waitingTexts] as const],
      ),
    )
    registry.replace(
      'batch_padding_ratio',
      open.map(({ node, stats }) => [{ node }, stats.paddingRatio]),
    )
    for (const { node, stats } of open) {
      registry.total('embed_texts_total', { node }, stats.texts)
      registry.total('embed_truncated_total', { node }, stats.truncatedTexts)
      registry.total('embed_tokens_total', { node }, stats.tokens)
      registry.total('batches_total', { node }, stats.batches)
    }
    const sum = (of: (embedder: OpenEmbedder) => number) => open.reduce((total, own) => total + of(own), 0)
    if (open.length === 0) return
    registry.total(
      'embeddings_saved_total',
      { cause: 'shared' },
      sum(({ stats }) => stats.sharedTexts),
    )
    registry.total(
      'embeddings_saved_total',
      { cause: 'cache' },
      sum(({ hits }) => hits),
    )
  }

  #lookAtIndexes(): void {
    const registry = this.#registry
    registry.replace(
      'newest_change_timestamp_seconds',
      [...this.#newest].map(([index, timestamp]) => [{ index }, timestamp / 1_000]),
    )
    for (const { name: index, stats } of this.#nodes.indexes.values()) {
      const failed = stats.failedRequests ?? 0
      registry.total('sink_operations_total', { index, op: 'upsert' }, stats.pointsWritten)
      registry.total('sink_operations_total', { index, op: 'set_payload' }, stats.payloadsWritten)
      registry.total('sink_operations_total', { index, op: 'delete' }, stats.pointsDeleted)
      registry.total('sink_requests_total', { index, result: 'failed' }, failed)
      registry.total('sink_requests_total', { index, result: 'ok' }, stats.writeRequests - failed)
    }
  }

  /** There is no folder before the state was opened. */
  async #lookAtDisk(stateDirectory: string): Promise<void> {
    const disk = await statfs(stateDirectory).catch(() => undefined)
    if (!disk) return
    this.#registry.replace('state_disk_size_bytes', [[{}, disk.bsize * disk.blocks]])
    this.#registry.replace('state_disk_free_bytes', [[{}, disk.bsize * disk.bavail]])
  }
}

interface OpenEmbedder {
  readonly node: string
  readonly id: string
  readonly stats: EmbedderView['stats']
  /** Texts that a cache answered. */
  readonly hits: number
}

/** An embedder says nothing of itself before it is open. */
function opened(node: string, embedder: EmbedderView): OpenEmbedder[] {
  try {
    const { id, stats, cacheStats } = embedder
    return [{ node, id, stats, hits: cacheStats ? cacheStats.memoryHits + cacheStats.diskHits : 0 }]
  } catch {
    return []
  }
}
