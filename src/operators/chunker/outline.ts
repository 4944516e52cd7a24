import type { Block, TextKind } from './text-kind.ts'

/** A heading in a path is cut to this many characters: a document may be one endless heading. */
const longestHeading = 120
/** Even the marks of a long heading end somewhere. */
const longestHeadingSource = 4 * longestHeading

export interface Heading {
  readonly level: number
  readonly text: string
  /** The heading says nothing that `text` does not. */
  readonly isWhole: boolean
}

/** The headings of one document, and which of them are in force where. */
export interface Outline {
  /** The heading that block `index` is; undefined for other blocks. */
  headingOf(index: number): Heading | undefined
  /** The path in force behind block `index`: `Guide > Routing > Errors`; empty when there is none. */
  pathAfter(index: number): string
}

/**
 * Reads the outline of a document. `title` comes before every path, unless the document opens with a heading that says the same.
 */
export function outlineOf(
  text: string,
  blocks: readonly Block[],
  options: { kind: TextKind; title?: string },
): Outline {
  const headings = new Map<number, Heading>()
  const paths: string[] = []
  const root = rootOf(text, blocks, options)
  const stack: Heading[] = []
  let path = root
  for (const [index, block] of blocks.entries()) {
    if (block.kind === 'heading') {
      const heading = headingOf(text, block, options.kind)
      headings.set(index, heading)
      while ((stack.at(-1)?.level ?? 0) >= heading.level) stack.pop()
      stack.push(heading)
      path = joined([root, ...stack.map(({ text }) => text)])
    }
    paths.push(path)
  }
  return { headingOf: (index) => headings.get(index), pathAfter: (index) => paths[index] ?? root }
}

function rootOf(text: string, blocks: readonly Block[], options: { kind: TextKind; title?: string }): string {
  const title = shortened(normalized(options.title ?? ''))
  const first = blocks.find((block) => block.kind === 'heading' || block.content.start < block.content.end)
  const opening = first?.kind === 'heading' ? headingOf(text, first, options.kind).text : ''
  return opening.toLowerCase() === title.toLowerCase() ? '' : title
}

function headingOf(text: string, block: Block, kind: TextKind): Heading {
  const { start, end } = block.content
  const source = { start, end: Math.min(end, wholeCharacters(text, start + longestHeadingSource)) }
  const whole = normalized(kind.plain(text, block, source))
  const short = shortened(whole)
  return { level: block.level, text: short, isWhole: source.end === end && short === whole }
}

function joined(parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' > ')
}

function shortened(text: string): string {
  return text.length <= longestHeading ? text : text.slice(0, wholeCharacters(text, longestHeading)).trimEnd()
}

/** `end`, or one less where it would part a surrogate pair. */
function wholeCharacters(text: string, end: number): number {
  const code = text.charCodeAt(end)
  return code >= 0xdc00 && code <= 0xdfff ? end - 1 : end
}

/** Whatever is not yet a single space: most white space is one, and stays as it is. */
const irregularSpace = /[^\S ]\s*| \s+/g

/** Every run of white space as one space, none at the ends. */
export function normalized(text: string): string {
  return text.replace(irregularSpace, ' ').trim()
}
