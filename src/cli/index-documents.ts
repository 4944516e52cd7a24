import { Command } from 'commander'
import { systemClock } from '../clock.ts'
import type { Feed } from '../topology/feed.ts'
import { DocumentIndex } from './document-index.ts'
import { defaultMaxDocumentBytes } from './documents.ts'
import { deadLetterTopic, type GivenUpDocument } from './given-up-documents.ts'
import { ownName, shellWord } from './own-name.ts'
import { ProgressDisplay } from './progress.ts'
import { sourceAt } from './source-feed.ts'
import { StopSignals } from './stop-signals.ts'
import type { IndexSummary } from './summary.ts'
import { wholeNumber } from './whole-number.ts'
import { defaultDataDirectory, defaultModel, workspaceAt } from './workspace.ts'

interface IndexOptions {
  readonly data: string
  readonly model: string
  readonly maxDocumentBytes: number
  readonly watch?: true
  readonly allowEmpty?: true
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
    .option(
      '--model <name>',
      'bundled or added model, folder of a model, or "hash" (words only, for tests)',
      defaultModel,
    )
    .option(
      '--max-document-bytes <number>',
      'larger documents are named and left out',
      wholeNumber,
      defaultMaxDocumentBytes,
    )
    .option('--watch', 'stay and follow the changes of the folder')
    .option('--allow-empty', 'delete all documents of a folder that has lost its files')
    .option('--reindex', 'forget what --data holds and start over')
    .option('--json', 'end with one line of counts on stdout')
    .action(indexDocuments)
}

async function indexDocuments(path: string, options: IndexOptions): Promise<void> {
  const startedAt = systemClock.now()
  using stop = new StopSignals(() => process.stderr.write('stopping; the same signal again ends at once\n'))
  const { data, watch = false, allowEmpty = false, maxDocumentBytes } = options
  const { feed, folder } = await sourceAt(path, { watch, data, allowEmpty, maxFileBytes: maxDocumentBytes })
  await using documents = await DocumentIndex.open({ ...options, folder })
  const complete = await readWithProgress(documents, feed, stop.signal)
  // Whoever follows a folder has no other way to end.
  if (!complete && !watch) {
    await documents.close()
    process.stderr.write('stopped; run again to go on\n')
    process.exitCode = stop.exitCode
    return
  }
  const givenUp = await documents.givenUp()
  await documents.close()
  const seconds = (systemClock.now() - startedAt) / 1_000
  const empty = folder !== undefined && feed.stats.changed + feed.stats.unchanged === 0
  report({ summary: summaryOf({ documents, feed, folder, givenUp, seconds }), givenUp, empty }, options)
  const truncated = truncationLines(documents.observer.truncated)
  if (truncated.length > 0) process.stderr.write(`${truncated.join('\n')}\n`)
  if (givenUp.length > 0 && !watch) process.exitCode = 1
}

/** False when the signal aborted before everything was in the index. */
async function readWithProgress(documents: DocumentIndex, feed: Feed<unknown>, signal: AbortSignal): Promise<boolean> {
  let total = documents.backlog
  const progress = new ProgressDisplay(systemClock, () => ({
    label: 'indexing',
    done: documents.observer.records,
    total,
    note: `${documents.stats.pointsWritten} chunks written`,
  }))
  try {
    return await documents.read(feed, {
      signal,
      onBatch: (records) => {
        total += records
      },
      onProblem: ({ place, reason }) => process.stderr.write(`skipped ${place}: ${withFlag(reason)}\n`),
    })
  } finally {
    progress.stop()
  }
}

/** A folder names its limit as programs do. */
function withFlag(reason: string): string {
  return reason.replace('maxFileBytes', '--max-document-bytes')
}

interface Done {
  readonly documents: DocumentIndex
  readonly feed: Feed<unknown>
  readonly folder: string | undefined
  readonly givenUp: readonly GivenUpDocument[]
  readonly seconds: number
}

function summaryOf({ documents: { observer, stats }, feed, folder, givenUp, seconds }: Done): IndexSummary {
  const { documents, chunks, unchangedBacklog } = observer
  // A folder looks at every file, also at those that an earlier run has read and this one has indexed.
  const files = feed.stats.unchanged - (folder === undefined ? 0 : unchangedBacklog)
  return {
    documents: { ...documents, unchanged: documents.unchanged + Math.max(0, files) },
    chunks,
    indexRequests: stats.writeRequests,
    deadLetters: givenUp.length,
    seconds: Math.round(seconds * 10) / 10,
  }
}

interface Report {
  readonly summary: IndexSummary
  readonly givenUp: readonly GivenUpDocument[]
  /** A folder without a document: there is nothing to search. */
  readonly empty: boolean
}

function report({ summary, givenUp, empty }: Report, options: IndexOptions): void {
  const letters = deadLetterLines(givenUp, options.data)
  if (letters.length > 0) process.stderr.write(`${letters.join('\n')}\n`)
  if (options.json) {
    process.stdout.write(`${JSON.stringify(summary)}\n`)
    return
  }
  const { documents, chunks, seconds } = summary
  const place = options.data === defaultDataDirectory ? '' : ` --data ${shellWord(options.data)}`
  const lines = [
    `documents: ${documents.new} new, ${documents.changed} changed, ${documents.metadataOnly} with new metadata only, ${documents.unchanged} unchanged, ${documents.deleted} deleted`,
    `chunks:    ${chunks.embedded} embedded, ${chunks.reused} reused, ${chunks.deleted} deleted (${seconds} s)`,
    ...(empty ? [] : [`next:      ${ownName()} search "..."${place}`]),
  ]
  process.stdout.write(`${lines.join('\n')}\n`)
}

const shownDocuments = 10

/** A vector that stands for the beginning of its text finds the rest of it only by full-text search. */
function truncationLines(truncated: ReadonlyMap<string, number>): readonly string[] {
  if (truncated.size === 0) return []
  const shown = [...truncated].slice(0, shownDocuments)
  return [
    `truncated: ${truncated.size} documents have chunks that the model cannot read to their end; these are found by their beginning, and by full-text search:`,
    ...shown.map(([key, chunks]) => `  ${key}: ${chunks}`),
    ...(truncated.size > shownDocuments ? [`  and ${truncated.size - shownDocuments} more`] : []),
    `next:      \`${ownName()} model list\` says how much each model reads, for --model; in a pipeline file \`chunker.max\` makes chunks shorter`,
  ]
}

function deadLetterLines(givenUp: readonly GivenUpDocument[], data: string): readonly string[] {
  if (givenUp.length === 0) return []
  const { logDirectory } = workspaceAt(data)
  return [
    `dead letters: ${givenUp.length}; these documents are missing or old in the index until they change (topic ${deadLetterTopic} of ${logDirectory}):`,
    ...givenUp.slice(0, shownDocuments).map(({ key, reason }) => `  ${key}: ${reason}`),
    ...(givenUp.length > shownDocuments ? [`  and ${givenUp.length - shownDocuments} more`] : []),
  ]
}
