import { markdownBlocks } from './markdown-blocks.ts'
import { markdownText } from './markdown-text.ts'
import type { TextKind } from './text-kind.ts'

export const markdown: TextKind = { id: 'markdown/1', blocks: markdownBlocks, plain: markdownText }
