import { linesOf } from './lines.ts'
import type { Block, TextKind } from './text-kind.ts'

/** Paragraphs with blank lines between them; nothing is markup, and nothing is a heading. */
export const plainText: TextKind = {
  id: 'plain/1',
  blocks: paragraphs,
  plain: (text, _block, range) => text.slice(range.start, range.end),
}

function paragraphs(text: string): Block[] {
  const starts: number[] = []
  let afterBlank = true
  for (const line of linesOf(text)) {
    const isBlank = line.first === line.end
    if (!isBlank && afterBlank) starts.push(line.start)
    afterBlank = isBlank
  }
  return starts.map((start, i) => {
    const end = starts[i + 1] ?? text.length
    return { start, end, kind: 'text', level: 0, nested: false, content: { start, end } }
  })
}
