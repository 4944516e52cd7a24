import { metricsWith } from './queries.ts'

/** A value and what it must not be. */
export interface Condition {
  readonly value: string
  readonly is: string
}

export interface Alert {
  /** The name is `Millrace` and this; the runbook is named alike, in kebab case. */
  readonly name: string
  readonly severity: 'critical' | 'warning'
  /** All of them have to hold. */
  readonly conditions: readonly Condition[]
  /** Or this has a value. */
  readonly orElse?: string
  /** How long, as Prometheus writes it. */
  readonly for: string
  readonly summary: string
  readonly description: string
}

const { of, rate, increase, shareUpTo } = metricsWith('')
const byInstance = 'application, instance'

/** Part of the versions that were not searchable within a minute. */
const stale = (window: string) => `1 - ${shareUpTo('60', 'freshness_seconds', window, 'application, index')}`

export const alerts: readonly Alert[] = [
  {
    name: 'NoRunningInstance',
    severity: 'critical',
    conditions: [{ value: `sum by (application) (${of('client_state', 'state="running"')})`, is: '== 0' }],
    orElse: `absent(${of('build_info')})`,
    for: '5m',
    summary: 'No instance of {{ $labels.application }} runs',
    description: 'Instances that are there restore, rebalance or have failed; or there is none. Nothing is indexed.',
  },
  {
    name: 'LagGrowing',
    severity: 'warning',
    conditions: [
      { value: `max by (application) (${of('consumer_lag_seconds')})`, is: '> 300' },
      { value: `max by (application) (delta(${of('consumer_lag_seconds')}[10m]))`, is: '> 0' },
    ],
    for: '10m',
    summary: '{{ $labels.application }} falls behind',
    description: 'The slowest partition is {{ $value | humanizeDuration }} behind its log, and does not catch up.',
  },
  {
    name: 'FreshnessBurn',
    severity: 'warning',
    conditions: [
      { value: stale('1h'), is: '> 0.05' },
      { value: stale('5m'), is: '> 0.05' },
    ],
    for: '5m',
    summary: 'Documents of {{ $labels.index }} are searchable too late',
    description: '{{ $value | humanizePercentage }} of the versions of the last hour took longer than a minute.',
  },
  {
    name: 'RestoreStuck',
    severity: 'warning',
    conditions: [
      { value: `sum by (${byInstance}) (${of('restore_remaining_records')})`, is: '> 0' },
      { value: `sum by (${byInstance}) (${rate('restore_records_total', '', '10m')})`, is: '== 0' },
    ],
    for: '10m',
    summary: 'A restore on {{ $labels.instance }} does not go on',
    description: '{{ $value }} offsets are left, and none was restored for ten minutes.',
  },
  {
    name: 'RebalanceStorm',
    severity: 'warning',
    conditions: [{ value: `sum by (${byInstance}) (${increase('rebalances_total', '', '15m')})`, is: '> 6' }],
    for: '5m',
    summary: '{{ $labels.instance }} rebalances again and again',
    description: '{{ $value | humanize }} assignments in 15 minutes. Each stops intake for a moment.',
  },
  {
    name: 'PollStalled',
    severity: 'critical',
    conditions: [{ value: `time() - ${of('last_poll_timestamp_seconds')}`, is: '> 120' }],
    for: '2m',
    summary: 'The work loop of {{ $labels.instance }} is stuck',
    description: 'It last asked for records {{ $value | humanizeDuration }} ago.',
  },
  {
    name: 'CommitFailing',
    severity: 'critical',
    conditions: [
      { value: `sum by (${byInstance}) (${increase('commits_total', 'result="failed"', '15m')})`, is: '> 0' },
    ],
    for: '0m',
    summary: 'Commits of {{ $labels.instance }} fail',
    description: '{{ $value | humanize }} in 15 minutes. What they held is read and written again.',
  },
  {
    name: 'SinkErrors',
    severity: 'warning',
    conditions: [
      {
        value: `sum by (application, index) (${rate('sink_requests_total', 'result="failed"', '5m')}) / sum by (application, index) (${rate('sink_requests_total', '', '5m')})`,
        is: '> 0.05',
      },
    ],
    for: '10m',
    summary: 'Requests to {{ $labels.index }} fail',
    description: '{{ $value | humanizePercentage }} of them, and are sent again.',
  },
  {
    name: 'DeadLettersRising',
    severity: 'warning',
    conditions: [{ value: `sum by (application, node) (${increase('dead_letters_total', '', '15m')})`, is: '> 0' }],
    for: '0m',
    summary: 'Documents of {{ $labels.application }} are given up',
    description:
      '{{ $value | humanize }} at node {{ $labels.node }} in 15 minutes: they are missing or old in the index.',
  },
  {
    name: 'EmbeddingErrors',
    severity: 'warning',
    conditions: [
      {
        value: `sum by (application, node) (${increase('record_retries_total', 'code=~"EMBED_.*"', '10m')})`,
        is: '> 5',
      },
    ],
    for: '5m',
    summary: 'Embedding at node {{ $labels.node }} fails',
    description: '{{ $value | humanize }} documents in ten minutes had to be tried again.',
  },
  {
    name: 'EmbeddingQueueOld',
    severity: 'warning',
    conditions: [{ value: `max by (${byInstance}) (${of('embed_queue_oldest_seconds')})`, is: '> 300' }],
    for: '5m',
    summary: 'Documents on {{ $labels.instance }} wait long for vectors',
    description: 'A document has waited {{ $value | humanizeDuration }} for the vectors of its new chunks.',
  },
  {
    name: 'IndexDrift',
    severity: 'warning',
    conditions: [
      {
        value: `sum by (application) (${increase('record_retries_total', 'code="INDEX_DRIFTED"', '1h')})`,
        is: '> 0',
      },
    ],
    orElse: `sum by (application) (${of('index_drift_points')}) > 0`,
    for: '0m',
    summary: 'The index of {{ $labels.application }} is not what was written',
    description:
      '{{ $value | humanize }} documents in an hour had lost points and were written anew, or as many points were not right in the last audit. Others may have lost some too.',
  },
  {
    name: 'StateDiskFilling',
    severity: 'critical',
    conditions: [{ value: `${of('state_disk_free_bytes')} / ${of('state_disk_size_bytes')}`, is: '< 0.1' }],
    for: '10m',
    summary: 'The state disk of {{ $labels.instance }} is nearly full',
    description: '{{ $value | humanizePercentage }} are free. A full disk ends the instance.',
  },
  {
    name: 'MemoryNearLimit',
    severity: 'warning',
    conditions: [
      { value: `${of('memory_bytes', 'kind=~"rss|heap_used"')} / ${of('memory_limit_bytes')}`, is: '> 0.9' },
    ],
    for: '10m',
    summary: '{{ $labels.instance }} is near its memory limit',
    description: '{{ $labels.kind }} is at {{ $value | humanizePercentage }} of what it may be.',
  },
  {
    name: 'DroppedRecords',
    severity: 'warning',
    conditions: [
      {
        value: `sum by (application, reason) (${increase('records_dropped_total', 'reason!="stale"', '15m')})`,
        is: '> 0',
      },
    ],
    for: '0m',
    summary: '{{ $labels.application }} drops records',
    description: '{{ $value | humanize }} in 15 minutes, because of {{ $labels.reason }}.',
  },
]

/** What Prometheus evaluates. */
export function expressionOf({ conditions, orElse }: Alert): string {
  const all = conditions
    .map(({ value, is }) => (conditions.length > 1 ? `(${value} ${is})` : `${value} ${is}`))
    .join(' and ')
  return orElse === undefined ? all : `${all} or ${orElse}`
}

/** `LagGrowing` -> `lag-growing`. */
export function runbookOf({ name }: Pick<Alert, 'name'>): string {
  return name.replace(/(?!^)[A-Z]/g, '-$&').toLowerCase()
}
