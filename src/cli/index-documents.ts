import { Command } from 'commander'
import { systemClock } from '../clock.ts'
import { sqliteIndex } from '../connectors/embedded/sqlite-index.ts'
import type { Broker } from '../runtime/broker.ts'
import { FeedRunner } from '../runtime/feed-runner.ts'
import { pipelinesOf } from '../runtime/pipelines.ts'
import { StreamRuntime } from '../runtime/stream-runtime.ts'
import type { Feed } from '../topology/feed.ts'
import type { VectorIndex } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'
import { documentTopology, names } from './documents.ts'
import { plainLogger } from './logger.ts'
import { ProgressDisplay } from './progress.ts'
import { feedOf } from './source-feed.ts'
import { onStopSignal } from './stop-signals.ts'
import { type IndexSummary, SummaryObserver } from './summary.ts'
import { claimWorkspace, defaultDataDirectory, defaultModel, embedderFor, openLog, workspaceAt } from './workspace.ts'

interface IndexOptions {
  readonly data: string
  readonly model: string
  readonly watch?: true
  readonly reindex?: true
  readonly json?: true
}

export function indexCommand(): Command {
  return new Command('index')
    .description(
      'Index a folder or a change stream, with the embedded log and index: no Kafka, no Qdrant, no download.',
    )
    .argument('<source>', 'folder, or change stream (.jsonl, .jsonl.gz, .jsonl.br)')
    .option('--data <folder>', 'where log, state and index live', defaultDataDirectory)
    .option('--model <name>', 'bundled model, folder of a model, or "hash" (words only, for tests)', defaultModel)
    .option('--watch', 'stay and follow the changes of the folder')
    .option('--reindex', 'forget what --data holds and start over')
    .option('--json', 'end with one line of counts on stdout')
    .action(indexDocuments)
}

async function indexDocuments(path: string, options: IndexOptions): Promise<void> {
  const startedAt = systemClock.now()
  const feed = await feedOf(path, { watch: options.watch ?? false })
  const workspace = workspaceAt(options.data)
  const index = sqliteIndex({ path: workspace.indexFile })
  const embedder = embedderFor(options.model)
  const topology = documentTopology(index, embedder)
  await embedder.open()
  try {
    const pipeline = pipelinesOf(topology)('index').id
    await claimWorkspace(options.data, { model: options.model, pipeline }, options.reindex ?? false)
    await using log = openLog(workspace)
    await log.open()
    await log.createTopics([{ topic: names.topic, partitions: 1, cleanup: 'compact' }])
    const observer = new SummaryObserver(names)
    const stateDirectory = workspace.stateDirectory
    await follow({ feed, log, topology, observer, stateDirectory })
    report(summaryOf(observer, index, feed, (systemClock.now() - startedAt) / 1_000), options)
  } finally {
    await embedder.close()
  }
}

interface Following {
  readonly feed: Feed<unknown>
  readonly log: Broker
  readonly topology: Topology
  readonly observer: SummaryObserver
  readonly stateDirectory: string
}

/** Reads the feed into the log and the log into the index, until the feed ends and everything is committed, or a signal comes. */
async function follow({ feed, log, topology, observer, stateDirectory }: Following): Promise<void> {
  const stop = new AbortController()
  const release = onStopSignal(() => stop.abort())
  await using runtime = new StreamRuntime({
    topology,
    broker: log,
    application: names.application,
    stateDirectory,
    observer,
    logger: plainLogger,
  })
  await runtime.start()
  let written = 0
  const progress = new ProgressDisplay(systemClock, () => ({
    label: 'indexing',
    done: observer.records,
    total: written,
    note: `${observer.chunks.embedded} chunks embedded`,
  }))
  const feeding = new FeedRunner({
    feed,
    broker: log,
    topic: names.topic,
    cursorTopic: names.cursorTopic,
    clock: systemClock,
    onBatch: (records) => (written += records),
    onProblem: ({ place, reason }) => process.stderr.write(`skipped ${place}: ${reason}\n`),
  }).run(stop.signal)
  try {
    const stopped = new Promise<void>((resolve) => stop.signal.addEventListener('abort', () => resolve()))
    await Promise.race([feeding.then(() => runtime.drain()), runtime.finished, stopped.then(() => feeding)])
  } finally {
    progress.stop()
    release()
  }
}

function summaryOf(observer: SummaryObserver, index: VectorIndex, feed: Feed<unknown>, seconds: number): IndexSummary {
  const { documents, chunks, deadLetters } = observer
  return {
    documents: { ...documents, unchanged: documents.unchanged + feed.stats.unchanged },
    chunks,
    indexRequests: index.stats.writeRequests,
    deadLetters,
    seconds: Math.round(seconds * 10) / 10,
  }
}

function report(summary: IndexSummary, options: IndexOptions): void {
  if (options.json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`)
    return
  }
  const { documents, chunks, deadLetters, seconds } = summary
  const lines = [
    `documents: ${documents.new} new, ${documents.changed} changed, ${documents.metadataOnly} with new metadata only, ${documents.unchanged} unchanged, ${documents.deleted} deleted`,
    `chunks:    ${chunks.embedded} embedded, ${chunks.reused} reused, ${chunks.deleted} deleted (${seconds} s)`,
    ...(deadLetters > 0 ? [`dead letters: ${deadLetters}; see the warnings above`] : []),
    `next:      millrace search "..." --data ${options.data}`,
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}
