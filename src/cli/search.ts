import { Command, InvalidArgumentError, Option } from 'commander'
import type { Hit } from '../model.ts'
import type { SearchOptions } from '../topology/processor.ts'
import { queryDeadlineMs } from './document-index.ts'
import { defaultDataDirectory, embedderFor, indexForReading, requireCard, workspaceAt } from './workspace.ts'

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
  const text = words.join(' ')
  const card = await requireCard(data)
  const embedder = embedderFor(card.model, { workers: 1 })
  const index = indexForReading(workspaceAt(data))
  await embedder.open()
  try {
    await index.open({ id: card.pipeline, dimensions: embedder.dimensions })
    const [vector] = mode === 'text' ? [] : await embedder.embed([text], AbortSignal.timeout(queryDeadlineMs))
    const hits = await index.search({ text, ...(vector && { vector }) }, { limit: k, mode })
    const lines = hits.map((hit, rank) => (json ? asJson(hit, rank + 1) : asText(hit, rank + 1)))
    process.stdout.write(lines.length > 0 ? `${lines.join('\n')}\n` : json ? '' : 'nothing found\n')
  } finally {
    await index.close()
    await embedder.close()
  }
}

function asJson({ id, score, payload }: Hit, rank: number): string {
  const { source, heading } = payload.metadata
  return JSON.stringify({ rank, score, id, key: source, heading, text: payload.content })
}

const excerptLength = 240

function asText({ score, payload }: Hit, rank: number): string {
  const { source, heading } = payload.metadata
  const excerpt = payload.content.replace(/\s+/g, ' ').trim()
  const shown = excerpt.length > excerptLength ? `${excerpt.slice(0, excerptLength)} ...` : excerpt
  return `${rank}. ${source}${heading ? `  (${heading})` : ''}  ${score.toFixed(4)}\n   ${shown}`
}

function wholeNumber(value: string): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new InvalidArgumentError('It must be a whole number from 1.')
  return number
}
