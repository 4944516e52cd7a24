/** `debug` costs something for every record at every node; `info` does not. */
export type MetricLevel = 'info' | 'debug'

export interface MetricDefinition<Label extends string = string> {
  readonly type: 'counter' | 'gauge' | 'histogram'
  /** What it counts, for people; the unit is in the name. */
  readonly help: string
  readonly labels: readonly Label[]
  readonly level: MetricLevel
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
}

/** From a millisecond to a minute: waits inside of the process, and for a broker or an index. */
const seconds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60]
/** From a microsecond to a second: what is computed. */
const moments = [
  ...[0.000_001, 0.000_002_5, 0.000_005, 0.000_01, 0.000_025, 0.000_05, 0.000_1, 0.000_25, 0.000_5],
  ...[0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1],
]
/** From a tenth of a second to a day: how old something is. */
const ages = [0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3_600, 14_400, 86_400]
/** Of a batch: from one sentence to what a device takes at once. */
const tokens = [8, 16, 32, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768]
const counts = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000]

function counter<const Label extends string = never>(help: string, ...labels: Label[]): MetricDefinition<Label> {
  return { type: 'counter', help, labels, level: 'info' }
}

function gauge<const Label extends string = never>(help: string, ...labels: Label[]): MetricDefinition<Label> {
  return { type: 'gauge', help, labels, level: 'info' }
}

function histogram<const Label extends string = never>(
  help: string,
  buckets: readonly number[],
  ...labels: Label[]
): MetricDefinition<Label> {
  return { type: 'histogram', help, labels, level: 'info', buckets }
}

function debug<Label extends string>(definition: MetricDefinition<Label>): MetricDefinition<Label> {
  return { ...definition, level: 'debug' }
}

/**
 * Every metric of an instance, without the prefix `millrace_`. The single source: docs/reference.md lists the same rows, and dashboards
 * and alerts may use no others; a test holds the three equal. Each series also has the label `application`. No label holds a key.
 */
export const metricTable = {
  // the instance
  build_info: gauge('Always 1; the labels tell what runs.', 'version', 'node'),
  client_state: gauge('1 for the state that the instance is in, 0 for the others.', 'state'),
  group_member: gauge('1 while the group counts the instance in.'),
  tasks: gauge('Tasks of the instance; a standby follows the state of a task elsewhere.', 'kind', 'state'),
  task_state: gauge('1 for the state that a task is in; tasks that share a label are counted.', 'task', 'state'),
  rebalances_total: counter('Assignments that the group has given, by what they followed.', 'reason'),
  rebalance_duration_seconds: histogram('From the begin of a rebalance to its assignment.', seconds, 'reason'),
  loop_seconds_total: counter('Where the time of the work loop went; the sum is the time of the clock.', 'phase'),
  last_poll_timestamp_seconds: gauge('When the work loop last asked for records; now, while it waits for some.'),
  poll_duration_seconds: histogram(
    'From asking the log for records to its answer. Kafka waits for a quarter of a second when it has none; the embedded log is asked when it has some.',
    seconds,
  ),
  poll_records: histogram('Records of a batch that was fetched.', counts),
  memory_bytes: gauge('Memory of the process.', 'kind'),
  memory_limit_bytes: gauge(
    'What the process may use: of its container or machine, and of its JavaScript heap.',
    'kind',
  ),
  cpu_seconds_total: counter('Processor time of all threads of the process.', 'mode'),
  event_loop_delay_seconds: gauge('How late the event loop was since the last scrape.', 'percentile'),

  // records
  records_processed_total: counter('Records that were taken from the log.', 'task'),
  process_duration_seconds: histogram(
    'From taking a record to its being done, with everything that it causes.',
    seconds,
  ),
  records_dropped_total: counter('Records that were passed over and not kept.', 'task', 'reason'),
  record_retries_total: counter('Records that a node failed, and that go through it again.', 'node', 'code'),
  dead_letters_total: counter('Records in the dead-letter topic.', 'node', 'code'),
  record_lateness_seconds: histogram(
    'How much older late records were than the newest before them in their task; those in order do not count.',
    ages,
  ),
  record_e2e_latency_seconds: histogram('From the time of a record to its acknowledgement by a topic.', ages, 'node'),
  node_records_total: debug(counter('Records in and out of a node.', 'node', 'direction')),
  queued_bytes: gauge('Records that were fetched and not taken.', 'task'),
  in_flight_records: gauge('Records that were taken and are not done.', 'task'),
  consumer_lag_records: gauge(
    'Offsets between what is committed and the end of the log.',
    'topic',
    'partition',
    'task',
  ),
  consumer_lag_seconds: gauge('How long ago the log ended where the commit is now.', 'topic', 'partition', 'task'),

  // commits and state
  commits_total: counter('Generations by what came of their commit.', 'result'),
  commit_duration_seconds: histogram('From the begin of a commit to its end, index writes excluded.', seconds),
  generations_open: gauge('Generations that are not committed; the one that takes records counts.', 'task'),
  uncommitted_age_seconds: gauge('How long the oldest record that was taken has waited for its commit.', 'task'),
  restore_remaining_records: gauge('Offsets that a restore still has to read; 0 when there is none.', 'task', 'store'),
  restore_records_total: counter('Changelog records that were restored.', 'task', 'store'),
  restore_duration_seconds: histogram('How long it took to complete the stores of a task.', ages),
  standby_lag_records: gauge('Offsets that a standby has not read.', 'task', 'store'),
  global_table_lag_records: gauge('Records of the topic of a global table that the instance has not read.', 'table'),
  global_table_records_total: counter('Records of the topic of a global table that were read.', 'table'),
  global_table_dropped_total: counter('Of these, those that make no row.', 'table', 'reason'),
  store_size_bytes: gauge(
    'About what the entries of a store take on disk; what was written last may not count yet.',
    'store',
  ),
  store_held_bytes: gauge('Memory of what stores hold until it is committed.', 'store'),
  store_reads_total: counter(
    'Keys that a store was asked for, by who had the answer: overlay (not committed), cache, bytes (disk, or the memory of a store without one).',
    'store',
    'from',
  ),
  store_op_duration_seconds: debug(
    histogram(
      'How long operations took that nodes asked stores for, by method; of a walk (range, prefix, scan, scanPrefix, all, between) all of its steps together.',
      moments,
      'store',
      'op',
    ),
  ),
  changelog_produce_total: counter('Records that were written to changelogs.', 'store'),
  state_disk_size_bytes: gauge('Size of the disk that holds the state folder.'),
  state_disk_free_bytes: gauge('What is free of it for this user.'),

  // documents
  documents_total: counter('Versions of documents, by what became of them.', 'outcome'),
  chunks_total: counter('Chunks of these versions, by what became of them.', 'outcome'),
  embeddings_saved_total: counter('Chunks that needed no run of the model.', 'cause'),
  freshness_seconds: histogram('From the time of a version at its source to when a search finds it.', ages, 'index'),
  newest_change_timestamp_seconds: gauge('Time at its source of the newest version that a search finds.', 'index'),

  // embedding
  embed_duration_seconds: histogram('How long the new chunks of a document waited for their vectors.', seconds, 'node'),
  embed_waiting_documents: gauge('Documents that wait for vectors.', 'node'),
  embed_queue_texts: gauge('Texts that wait for their vectors, those that are run included.', 'node'),
  embed_queue_oldest_seconds: gauge(
    'How long the new chunks of a document wait for their vectors that have waited longest; 0 when none wait.',
    'node',
  ),
  embed_texts_total: counter('Texts that were asked for.', 'node'),
  embed_truncated_total: counter('Of these, texts that were longer than the model reads.', 'node'),
  tokenize_duration_seconds: histogram(
    'How long it took to tokenize the texts that were taken up together. Servers do that themselves.',
    moments,
    'node',
  ),
  embed_tokens_total: counter('Tokens that were run, without padding.', 'node'),
  batches_total: counter('Batches that were run.', 'node'),
  batch_texts: histogram('Texts of a batch. Embedders that tell of no batches have none here.', counts, 'node'),
  batch_tokens: histogram('Tokens of a batch, without padding.', tokens, 'node'),
  batches_closed_total: counter(
    'Batches by why they were run when they were: idle_device took what there was; with all devices busy enough tokens were there, or texts (count), or a text had waited long enough (timeout); refused were tried in parts.',
    'node',
    'reason',
  ),
  batch_wait_seconds: histogram('How long the oldest text of a batch waited in line.', seconds, 'node'),
  batch_duration_seconds: histogram('How long the device, or the server, took for a batch.', seconds, 'node'),
  batches_failed_total: counter('Batches that gave no vectors.', 'node'),
  batch_padding_ratio: gauge('Part of what was run that was padding, since the start.', 'node'),
  model_info: gauge('Always 1; the labels tell which embedder a node has.', 'node', 'model', 'device'),

  // index
  sink_operations_total: counter('What was written to the index: points, payloads, deletions.', 'index', 'op'),
  sink_requests_total: counter('Requests that were to change the index.', 'index', 'result'),
  sink_write_duration_seconds: histogram('How long the index took to acknowledge a document.', seconds, 'index'),
  index_drift_points: gauge(
    'Points that were not as they should be in the last audit, which `audit --metrics-file` writes.',
    'index',
    'kind',
  ),
} as const satisfies Record<string, MetricDefinition>

export type MetricName = keyof typeof metricTable

type LabelOf<Name extends MetricName> = (typeof metricTable)[Name]['labels'][number]

/** A value for each label of a metric. */
export type LabelsOf<Name extends MetricName> = Readonly<Record<LabelOf<Name>, string>>

export const metricPrefix = 'millrace_'
