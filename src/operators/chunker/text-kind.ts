/** A part of a text: from `start` up to, not including, `end`, in UTF-16 code units. */
export interface Range {
  readonly start: number
  readonly end: number
}

/**
 * A piece of a document that belongs together: a heading, a paragraph, a list item, a fence, a table ... The blocks of a text follow
 * one another without gaps, blank lines belong to the block before them.
 */
export interface Block extends Range {
  readonly kind: BlockKind
  /** 1 to 6 for headings, 0 for everything else. */
  readonly level: number
  /** Stands inside another block, as a sub-item of a list does: a worse place to cut than the border of its parent. */
  readonly nested: boolean
  /** What carries meaning: without the marks around it. Empty for a comment, a rule, link definitions. */
  readonly content: Range
}

/** `text` has sentences; `quote` as well, behind marks; `table` and `code` are made of lines that belong together. */
export type BlockKind = 'heading' | 'text' | 'quote' | 'table' | 'code'

/** How one kind of text is read. Adding a kind is adding one of these. */
export interface TextKind {
  /** Name and version: change the version whenever the same text would give other blocks or another plain text. */
  readonly id: string
  /** The blocks of a text, in order. Linear in its length, whatever it holds. */
  blocks(text: string): Block[]
  /** What `range` of `block` says, without markup: the range lies inside the block's content. */
  plain(text: string, block: Block, range: Range): string
}
