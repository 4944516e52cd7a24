import { errorTable } from '../errors.ts'
import type { MetricRegistry } from '../metric-registry.ts'
import type { Topology } from '../topology/topology.ts'
import type { WatchedNodes } from './watched-nodes.ts'

/** A counter that appears with its first event hides it: there is nothing to compare it with. So these are there from the start. */
export function beginAtZero(registry: MetricRegistry, nodes: WatchedNodes, topology: Topology): void {
  for (const reason of ['join', 'revoked', 'lost']) {
    registry.start('rebalances_total', { reason })
    registry.start('rebalance_duration_seconds', { reason })
  }
  for (const phase of ['process', 'maintain', 'look', 'other', 'idle', 'blocked'])
    registry.start('loop_seconds_total', { phase })
  for (const result of ['ok', 'failed']) registry.start('commits_total', { result })
  for (const node of nodes.all) for (const code of poison) registry.start('dead_letters_total', { node, code })
  beginRetries(registry, nodes)
  for (const [store, { changelog = true }] of topology.stores)
    if (changelog) registry.start('changelog_produce_total', { store })
  for (const table of topology.globalTables.keys()) {
    registry.start('global_table_records_total', { table })
    for (const reason of ['null_key', 'undecodable']) registry.start('global_table_dropped_total', { table, reason })
  }
}

const poison = Object.entries(errorTable).flatMap(([code, { reaction }]) => (reaction === 'skip' ? [code] : []))

function beginRetries(registry: MetricRegistry, { operators, embedders, indexes }: WatchedNodes): void {
  const start = (node: string, code: string) => registry.start('record_retries_total', { node, code })
  for (const node of embedders.keys()) start(node, 'EMBED_FAILED')
  for (const [node, operator] of operators) if (operator === 'diff') start(node, 'INDEX_UNREACHABLE')
  for (const node of indexes.keys()) start(node, 'INDEX_DRIFTED')
}
