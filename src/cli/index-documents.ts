import { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Feed } from '../topology/feed.ts'
import { DocumentIndex } from './document-index.ts'
import { ProgressDisplay } from './progress.ts'
import { feedOf } from './source-feed.ts'
import { onStopSignal } from './stop-signals.ts'
import type { IndexSummary } from './summary.ts'
import { defaultDataDirectory, defaultModel } from './workspace.ts'

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
  await using documents = await DocumentIndex.open(options)
  const stop = new AbortController()
  const release = onStopSignal(() => stop.abort())
  let written = 0
  const progress = new ProgressDisplay(systemClock, () => ({
    label: 'indexing',
    done: documents.observer.records,
    total: written,
    note: `${documents.observer.chunks.embedded} chunks embedded`,
  }))
  try {
    await documents.read(feed, {
      signal: stop.signal,
      onBatch: (records) => {
        written += records
      },
      onProblem: ({ place, reason }) => process.stderr.write(`skipped ${place}: ${reason}\n`),
    })
  } finally {
    progress.stop()
    release()
  }
  await documents.close()
  report(summaryOf(documents, feed, (systemClock.now() - startedAt) / 1_000), options)
}

function summaryOf({ observer, stats }: DocumentIndex, feed: Feed<unknown>, seconds: number): IndexSummary {
  const { documents, chunks, deadLetters } = observer
  return {
    documents: { ...documents, unchanged: documents.unchanged + feed.stats.unchanged },
    chunks,
    indexRequests: stats.writeRequests,
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
