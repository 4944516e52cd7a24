/** Routes about the server itself. */
import type { Exchange, Reply } from './exchange.ts'

/** Of the server whose answers were recorded. */
export const recordedVersion = '1.18.3'

type Handler = (exchange: Exchange) => Reply

export const root: Handler = ({ version }) => ({ bare: { title: 'qdrant - vector search engine', version } })
export const alive: Handler = () => ({ text: 'healthz check passed' })
export const ready: Handler = () => ({ text: 'all shards are ready' })
export const cluster: Handler = () => ({ result: { status: 'disabled' } })
export const issues: Handler = () => ({ result: { issues: [] } })
export const clearIssues: Handler = () => ({ result: true })

export const telemetry: Handler = ({ database, version }) => ({
  result: {
    id: 'qdrant-double',
    app: { name: 'qdrant', version, startup: new Date(0).toISOString() },
    collections: { number_of_collections: database.collections.size },
    cluster: { enabled: false, resharding_enabled: false },
    requests: { rest: { responses: {} } },
  },
})

/** `name kind` of every metric, in the order of the server. */
const metricNames = `app_info gauge
app_status_recovery_mode gauge
collections_total gauge
collections_vector_total gauge
collection_vectors gauge
collection_indexed_only_excluded_points gauge
collection_active_replicas_min gauge
collection_active_replicas_max gauge
collection_running_optimizations gauge
collection_points gauge
collection_dead_replicas gauge
snapshot_creation_running gauge
snapshot_recovery_running gauge
snapshot_created_total counter
collection_shard_transfer_incoming gauge
collection_shard_transfer_outgoing gauge
collection_update_queue_length gauge
collection_update_queue_deferred_points gauge
cluster_enabled gauge
rest_responses_total counter
rest_responses_avg_duration_seconds gauge
rest_responses_min_duration_seconds gauge
rest_responses_max_duration_seconds gauge
rest_responses_duration_seconds histogram
collection_hardware_metric_cpu counter
collection_hardware_metric_payload_io_read counter
collection_hardware_metric_payload_index_io_read counter
collection_hardware_metric_payload_index_io_write counter
collection_hardware_metric_payload_io_write counter
collection_hardware_metric_vector_io_read counter
collection_hardware_metric_vector_io_write counter
memory_active_bytes gauge
memory_allocated_bytes gauge
memory_metadata_bytes gauge
memory_resident_bytes gauge
memory_retained_bytes gauge
process_threads gauge
process_open_mmaps gauge
system_max_mmaps gauge
process_open_fds gauge
process_max_fds gauge
process_minor_page_faults_total counter
process_major_page_faults_total counter`
  .split('\n')
  .map((line) => line.split(' '))

const perServer = /^(app|collections|cluster|memory|process|system|rest)_|^snapshot_recovery_running$/

/** Metrics of collections are missing while there is none. */
export const metrics: Handler = ({ database }) => ({
  text: metricNames
    .filter(([name = '']) => database.collections.size > 0 || perServer.test(name))
    .map(([name, kind]) => `# HELP ${name} as the server has it\n# TYPE ${name} ${kind}\n${name} 0\n`)
    .join(''),
})
