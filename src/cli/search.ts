import { Command, Option } from 'commander'
import type { Embedder } from '../embed/index.ts'
import { StreamError } from '../errors.ts'
import type { Hit } from '../model.ts'
import type { SearchOptions } from '../topology/processor.ts'
import { embedQuery } from './document-index.ts'
import { excerptOf } from './excerpt.ts'
import { wholeNumber } from './whole-number.ts'
import { type Card, defaultDataDirectory, embedderFor, indexForReading, requireCard, workspaceAt } from './workspace.ts'

interface SearchCommandOptions {
  readonly data: string
  readonly k: number
  readonly mode: NonNullable<SearchOptions['mode']>
  readonly json?: true
}

export function searchCommand(): Command {
  return new Command('search')
    .description('Find the chunks that say what the text says: vector and full-text search joined.')
    .argument('<text...>', 'what to look for')
    .option('-k <number>', 'number of hits', wholeNumber, 5)
    .option('--data <folder>', 'the folder that `index` filled', defaultDataDirectory)
    .addOption(new Option('--mode <mode>', 'how to search').choices(['hybrid', 'vector', 'text']).default('hybrid'))
    .option('--json', 'one line per hit')
    .action(search)
}

async function search(words: readonly string[], { data, k, mode, json }: SearchCommandOptions): Promise<void> {
  const text = words.join(' ').trim()
  if (text === '')
    throw new StreamError('USAGE', 'there is nothing to look for', { fix: 'Give a question or some words.' })
  const card = await requireCard(data)
  const embedder = embedderFor(card.model, { workers: 1 })
  const index = indexForReading(workspaceAt(data))
  await embedder.open()
  try {
    refuseOtherModel(data, card, embedder)
    await index.open({ id: card.pipeline, dimensions: embedder.dimensions })
    const vector = mode === 'text' ? undefined : await embedQuery(embedder, text)
    const hits = await index.search({ text, ...(vector && { vector }) }, { limit: k, mode })
    const lines = hits.map((hit, rank) => (json ? asJson(hit, rank + 1) : asText(hit, rank + 1, text)))
    process.stdout.write(lines.length > 0 ? `${lines.join('\n')}\n` : json ? '' : 'nothing found\n')
  } finally {
    await index.close()
    await embedder.close()
  }
}

/** The vector of another model finds anything, and says so with a score. */
function refuseOtherModel(data: string, { model, embedder: made }: Card, { id }: Embedder): void {
  if (made === undefined || made === id) return
  throw new StreamError('INDEX_MISMATCH', `model "${model}" has changed since it made the index in ${data}`, {
    fix: 'Bring the model back, or run `millrace index <source> --reindex` to embed everything again.',
    details: { made, found: id },
  })
}

function asJson({ id, score, payload }: Hit, rank: number): string {
  const { source, heading } = payload.metadata
  return JSON.stringify({ rank, score, id, key: source, heading, text: payload.content })
}

function asText({ score, payload }: Hit, rank: number, query: string): string {
  const { source, heading } = payload.metadata
  return `${rank}. ${source}${heading ? `  (${heading})` : ''}  ${score.toFixed(4)}\n   ${excerptOf(payload.content, query)}`
}
