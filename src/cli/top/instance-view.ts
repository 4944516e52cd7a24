import type { InstanceSample, Readiness } from './instance-sample.ts'
import { type Count, SampleReader } from './sample-reader.ts'

/** What `top` knows of an instance. A rate is missing in the first sample, everything else where the instance does not tell it. */
export type InstanceView = SilentInstance | AnsweringInstance

export interface SilentInstance {
  readonly url: string
  readonly problem: string
}

export interface AnsweringInstance {
  readonly url: string
  readonly application: string
  readonly version: string
  /** `running`, `rebalancing` ... */
  readonly state: string
  readonly readiness?: Readiness | undefined
  readonly recordsPerSecond?: number | undefined
  readonly tasks: readonly ViewedTask[]
  readonly standbys: { readonly count: number; readonly lagRecords?: number | undefined }
  readonly embedders: readonly ViewedEmbedder[]
  readonly indexes: readonly ViewedIndex[]
  readonly deadLetters: readonly ViewedCount[]
  readonly errors: readonly ViewedCount[]
}

export interface ViewedTask {
  /** `other`: all tasks beyond the first 200. */
  readonly id: string
  readonly state: string
  readonly lagRecords?: number | undefined
  readonly lagSeconds?: number | undefined
  readonly inFlight?: number | undefined
  readonly uncommittedSeconds?: number | undefined
  readonly recordsPerSecond?: number | undefined
  readonly restore?: ViewedRestore
}

/** All stores of a task together. */
export interface ViewedRestore {
  /** Records that were read, since the instance started. */
  readonly restored: number
  readonly remaining: number
  readonly perSecond?: number | undefined
}

export interface ViewedEmbedder {
  readonly node: string
  readonly model: string
  readonly device: string
  readonly textsPerSecond?: number | undefined
  readonly tokensPerSecond?: number | undefined
  /** In the mean since the sample before, or since the start; missing where an embedder tells of no batches. */
  readonly textsPerBatch?: number | undefined
  readonly batchSeconds?: number | undefined
  /** Part of what was run since the start. */
  readonly padding?: number | undefined
  readonly waitingDocuments?: number | undefined
}

export interface ViewedIndex {
  readonly index: string
  /** Seconds from the source to a search that finds it: half of the versions, and 95 of 100. */
  readonly freshness: { readonly p50?: number | undefined; readonly p95?: number | undefined }
  /** How long ago the newest version that a search finds was made, seconds. */
  readonly newestSeconds?: number | undefined
  readonly operationsPerSecond?: number | undefined
}

/** Something that should not happen, by what it was. */
export interface ViewedCount extends Count {
  readonly what: string
}

/** What two samples of an instance say together. */
export function viewOf(now: InstanceSample, before?: InstanceSample): InstanceView {
  const { url, at, problem, readiness } = now
  if (problem !== undefined) return { url, problem }
  const reader = new SampleReader(now, before)
  const standbys = reader.gauge('tasks', { kind: 'standby' }) ?? 0
  const states = reader.labels('client_state').map(({ state }) => state)
  return {
    url,
    application: now.series[0]?.labels.application ?? '',
    version: reader.values('build_info', 'version')[0] ?? '',
    state: states.find((state) => reader.gauge('client_state', { state }) === 1) ?? 'unknown',
    readiness,
    recordsPerSecond: reader.rate('records_processed_total'),
    tasks: reader.labels('task_state').map((labels) => taskOf(reader, labels)),
    standbys: { count: standbys, lagRecords: reader.gauge('standby_lag_records') },
    embedders: reader.labels('model_info').map((labels) => embedderOf(reader, labels)),
    indexes: reader.values('sink_requests_total', 'index').map((index) => indexOf(reader, index, at)),
    deadLetters: deadLettersOf(reader),
    errors: errorsOf(reader),
  }
}

function taskOf(reader: SampleReader, { task, state }: { readonly task: string; readonly state: string }): ViewedTask {
  const restore = {
    restored: reader.count('restore_records_total', { task }).total,
    remaining: reader.gauge('restore_remaining_records', { task }) ?? 0,
    perSecond: reader.rate('restore_records_total', { task }),
  }
  return {
    id: task,
    state,
    lagRecords: reader.gauge('consumer_lag_records', { task }),
    lagSeconds: reader.largest('consumer_lag_seconds', { task }),
    inFlight: reader.gauge('in_flight_records', { task }),
    uncommittedSeconds: reader.largest('uncommitted_age_seconds', { task }),
    recordsPerSecond: reader.rate('records_processed_total', { task }),
    ...(state === 'restoring' && { restore }),
  }
}

function embedderOf(
  reader: SampleReader,
  { node, model, device }: { readonly node: string; readonly model: string; readonly device: string },
): ViewedEmbedder {
  return {
    node,
    model,
    device,
    textsPerSecond: reader.rate('embed_texts_total', { node }),
    tokensPerSecond: reader.rate('embed_tokens_total', { node }),
    textsPerBatch: reader.mean('batch_texts', { node }),
    batchSeconds: reader.mean('batch_duration_seconds', { node }),
    padding: reader.gauge('batch_padding_ratio', { node }),
    waitingDocuments: reader.gauge('embed_waiting_documents', { node }),
  }
}

function indexOf(reader: SampleReader, index: string, at: number): ViewedIndex {
  const newest = reader.largest('newest_change_timestamp_seconds', { index })
  return {
    index,
    freshness: {
      p50: reader.quantile(0.5, 'freshness_seconds', { index }),
      p95: reader.quantile(0.95, 'freshness_seconds', { index }),
    },
    // The clocks of two machines may differ.
    ...(newest !== undefined && { newestSeconds: Math.max(0, at / 1_000 - newest) }),
    operationsPerSecond: reader.rate('sink_operations_total', { index }),
  }
}

function deadLettersOf(reader: SampleReader): readonly ViewedCount[] {
  const counts = reader.labels('dead_letters_total').map(({ node, code }) => {
    return { what: `${node} ${code}`, ...reader.count('dead_letters_total', { node, code }) }
  })
  return happened(counts)
}

function errorsOf(reader: SampleReader): readonly ViewedCount[] {
  const retries = reader.labels('record_retries_total').map(({ node, code }) => {
    return { what: `${node} ${code}, tried again`, ...reader.count('record_retries_total', { node, code }) }
  })
  const dropped = reader.values('records_dropped_total', 'reason').map((reason) => {
    return { what: `dropped ${reason}`, ...reader.count('records_dropped_total', { reason }) }
  })
  const commits = { what: 'commits failed', ...reader.count('commits_total', { result: 'failed' }) }
  const requests = { what: 'index requests failed', ...reader.count('sink_requests_total', { result: 'failed' }) }
  return happened([commits, requests, ...retries, ...dropped])
}

function happened(counts: readonly ViewedCount[]): readonly ViewedCount[] {
  return counts.filter(({ total }) => total > 0)
}
