/** What an alert is to see, and what it is not to mind: series by name, values as promtool reads them, one a minute, looked at after 40. */
export interface AlertCase {
  readonly alert: string
  readonly bad: Readonly<Record<string, string>>
  /** Also bad, where there are two ways to it. */
  readonly orBad?: Readonly<Record<string, string>>
  readonly good: Readonly<Record<string, string>>
  /** Of the alert that fires, beside its name and severity. */
  readonly labels: Readonly<Record<string, string>>
}

const instance = 'application="docs",instance="a:9464"'
const onInstance = { application: 'docs', instance: 'a:9464' }

/** A process that is there: without it nothing runs. */
const alive = { 'build_info{application="docs"}': '1x40' }

export const alertCases: readonly AlertCase[] = [
  {
    alert: 'NoRunningInstance',
    bad: { ...alive, [`client_state{${instance},state="running"}`]: '1x10 0x30' },
    good: {
      ...alive,
      [`client_state{${instance},state="running"}`]: '1x10 0x30',
      'client_state{application="docs",instance="b:9464",state="running"}': '1x40',
    },
    labels: { application: 'docs' },
  },
  {
    alert: 'LagGrowing',
    bad: { [`consumer_lag_seconds{${instance},topic="t",partition="0"}`]: '0+60x40' },
    good: { [`consumer_lag_seconds{${instance},topic="t",partition="0"}`]: '3600-60x40' },
    labels: { application: 'docs' },
  },
  {
    alert: 'FreshnessBurn',
    bad: freshness(50),
    good: freshness(99),
    labels: { application: 'docs', index: 'i' },
  },
  {
    alert: 'RestoreStuck',
    bad: restore('5000x40', '0x40'),
    good: restore('5000-100x40', '0+100x40'),
    labels: onInstance,
  },
  {
    alert: 'RebalanceStorm',
    bad: { [`rebalances_total{${instance},reason="lost"}`]: '0+1x40' },
    good: { [`rebalances_total{${instance},reason="lost"}`]: '0x20 1x20' },
    labels: onInstance,
  },
  {
    alert: 'PollStalled',
    bad: { [`last_poll_timestamp_seconds{${instance}}`]: '0+60x30 1800x10' },
    good: { [`last_poll_timestamp_seconds{${instance}}`]: '0+60x40' },
    labels: onInstance,
  },
  {
    alert: 'CommitFailing',
    bad: { [`commits_total{${instance},result="failed"}`]: '0x30 1x10' },
    good: { [`commits_total{${instance},result="failed"}`]: '0x10 1x30' },
    labels: onInstance,
  },
  {
    alert: 'SinkErrors',
    bad: requests('0+10x40'),
    good: requests('0+1x40'),
    labels: { application: 'docs', index: 'i' },
  },
  {
    alert: 'DeadLettersRising',
    bad: { [`dead_letters_total{${instance},node="n",code="RECORD_FAILED"}`]: '0x30 1x10' },
    good: { [`dead_letters_total{${instance},node="n",code="RECORD_FAILED"}`]: '1x40' },
    labels: { application: 'docs', node: 'n' },
  },
  {
    alert: 'EmbeddingErrors',
    bad: { [`record_retries_total{${instance},node="n",code="EMBED_FAILED"}`]: '0+2x40' },
    good: { [`record_retries_total{${instance},node="n",code="INDEX_UNREACHABLE"}`]: '0+2x40' },
    labels: { application: 'docs', node: 'n' },
  },
  {
    alert: 'EmbeddingQueueOld',
    bad: { [`embed_queue_oldest_seconds{${instance},node="n"}`]: '0+60x40' },
    good: { [`embed_queue_oldest_seconds{${instance},node="n"}`]: '60x40' },
    labels: onInstance,
  },
  {
    alert: 'IndexDrift',
    bad: { [`record_retries_total{${instance},node="n",code="INDEX_DRIFTED"}`]: '0x30 1x10' },
    orBad: { 'index_drift_points{application="docs",index="i",kind="orphan"}': '0x30 3x10' },
    good: {
      [`record_retries_total{${instance},node="n",code="INDEX_DRIFTED"}`]: '1x40',
      'index_drift_points{application="docs",index="i",kind="orphan"}': '0x40',
    },
    labels: { application: 'docs' },
  },
  {
    alert: 'StateDiskFilling',
    bad: disk('5x40'),
    good: disk('20x40'),
    labels: onInstance,
  },
  {
    alert: 'MemoryNearLimit',
    bad: memory('95x40'),
    good: memory('80x40'),
    labels: { ...onInstance, kind: 'rss' },
  },
  {
    alert: 'DroppedRecords',
    bad: { [`records_dropped_total{${instance},task="0_0",reason="null_key"}`]: '0x30 1x10' },
    good: {
      [`records_dropped_total{${instance},task="0_0",reason="null_key"}`]: '1x40',
      [`records_dropped_total{${instance},task="0_0",reason="stale"}`]: '0+1x40',
    },
    labels: { application: 'docs', reason: 'null_key' },
  },
]

/** So many of a hundred versions a minute are searchable in time. */
function freshness(inTime: number): Record<string, string> {
  return {
    [`freshness_seconds_bucket{${instance},index="i",le="60"}`]: `0+${inTime}x40`,
    [`freshness_seconds_count{${instance},index="i"}`]: '0+100x40',
  }
}

function restore(remaining: string, restored: string): Record<string, string> {
  return {
    [`restore_remaining_records{${instance},task="0_0",store="s"}`]: remaining,
    [`restore_records_total{${instance},task="0_0",store="s"}`]: restored,
  }
}

function requests(failed: string): Record<string, string> {
  return {
    [`sink_requests_total{${instance},index="i",result="ok"}`]: '0+90x40',
    [`sink_requests_total{${instance},index="i",result="failed"}`]: failed,
  }
}

/** Of a hundred bytes. */
function disk(free: string): Record<string, string> {
  return { [`state_disk_free_bytes{${instance}}`]: free, [`state_disk_size_bytes{${instance}}`]: '100x40' }
}

function memory(used: string): Record<string, string> {
  return { [`memory_bytes{${instance},kind="rss"}`]: used, [`memory_limit_bytes{${instance},kind="rss"}`]: '100x40' }
}
