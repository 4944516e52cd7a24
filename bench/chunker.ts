import MarkdownIt from 'markdown-it'
import { createChunker } from '../src/operators/chunker/chunker.ts'
import { markdown } from '../src/operators/chunker/markdown.ts'
import { markdownBlocks } from '../src/operators/chunker/markdown-blocks.ts'
import { book500, changeStream, documentsAfter } from '../test/support/change-stream.ts'
import { compare, type Figure, rounded } from './measure.ts'

/** The book after its first 500 commits. */
const documents = (): string[] => [...documentsAfter(changeStream(book500)).values()]

export function chunkerBlocks(): Promise<Figure> {
  return againstParser('chunker.blocks', 'finding the blocks', (text) => markdownBlocks(text).length)
}

export function chunkerChunks(): Promise<Figure> {
  const chunker = createChunker(markdown)
  return againstParser(
    'chunker.chunks',
    'cutting into chunks with their plain text',
    (text) => chunker.split(text).length,
  )
}

async function againstParser(figure: string, what: string, action: (text: string) => number): Promise<Figure> {
  const texts = documents()
  const parser = new MarkdownIt({ html: true })
  const { speedup } = await compare({
    clock: 'cpu',
    subject: () => sum(texts, action),
    baseline: () => sum(texts, (text) => parser.parse(text, {}).length),
  })
  const megabytes = rounded(texts.reduce((total, { length }) => total + length, 0) / 1e6)
  const detail = `CPU time of markdown-it's parser / of ${what}, ${texts.length} documents, ${megabytes} MB; above 1 ours is faster`
  return { figure, value: rounded(speedup), unit: 'x', detail }
}

function sum(texts: readonly string[], action: (text: string) => number): void {
  const total = texts.reduce((count, text) => count + action(text), 0)
  if (total === 0) throw new Error('nothing was found')
}
