import MarkdownIt from 'markdown-it'
import { describe, expect, test } from 'vitest'
import { markdownBlocks } from '../../../src/operators/chunker/markdown-blocks.ts'
import { book500, changeStream, documentsAfter } from '../../support/change-stream.ts'

/** `kind` of each block (`heading2` with its level, `/` in front when nested) and its content on one line. */
function blocksOf(text: string): string[] {
  return markdownBlocks(text).map(({ kind, level, nested, content }) => {
    const said = text.slice(content.start, content.end).trim().replace(/\s+/g, ' ')
    return `${nested ? '/' : ''}${kind}${level || ''}: ${said}`
  })
}

describe('the blocks of a Markdown text', () => {
  test.each<[name: string, text: string, blocks: string[]]>([
    ['nothing', '', []],
    ['white space', ' \n\t\n\uFEFF\n', []],
    ['paragraphs', 'one\ntwo\n\nthree', ['text: one two', 'text: three']],
    ['headings', '# a #\n## b\ntext\n#no\n####### no', ['heading1: a', 'heading2: b', 'text: text #no ####### no']],
    ['underlined headings', 'a\n===\nb\nc\n---\ntext', ['heading1: a', 'heading2: b c', 'text: text']],
    ['a rule is no underline', '- a\n---\n***\ntext', ['text: a', 'text: ', 'text: ', 'text: text']],
    ['fences', 'a\n```js\n# b\n\n```\nc', ['text: a', 'code: # b', 'text: c']],
    ['a longer fence around a fence', '````\n```\na\n```\n````\nb', ['code: ``` a ```', 'text: b']],
    ['fences of tildes', '~~~\n```\n~~~\nb', ['code: ```', 'text: b']],
    ['an open fence', '```\na\n\n# b', ['code: a # b']],
    ['code in one line is no fence', '```a``` b\nc', ['text: ```a``` b c']],
    ['indented code', 'a\n\n    b\n\n    c\nd\n    e', ['text: a', 'code: b c', 'text: d e']],
    ['items', '- a\n  b\n- [x] c\n1. d\n2) e', ['text: a b', 'text: c', 'text: d', 'text: e']],
    ['items in items', '- a\n  - b\n\n    c\n\nd', ['text: a', '/text: b', '/text: c', 'text: d']],
    ['a fence in an item', '1. ```\n   a\n   ```\n2. b', ['code: a', 'text: b']],
    ['a number that a line was wrapped at', 'It was\n1986. A year.', ['text: It was 1986. A year.']],
    ['quotes', '> a\n> b\nc\n>\n> - d\n> - e', ['quote: > a > b c >', '/quote: > - d', '/quote: > - e']],
    [
      'a table',
      'a\n\n| b | c |\n|---|---|\n| d | e |\n\nf',
      ['text: a', 'table: | b | c | |---|---| | d | e |', 'text: f'],
    ],
    ['a table without borders', 'a\nb | c\n--|--\nd | e', ['text: a', 'table: b | c --|-- d | e']],
    ['comments', 'a\n<!-- b\n\n# c -->\nd', ['text: a', 'text: ', 'text: d']],
    ['an open comment', 'a\n\n<!-- b\n\n# c', ['text: a', 'text: ']],
    ['programs and styles', '<style>\na\n\nb\n</style>\n\nc', ['text: ', 'text: c']],
    ['preformatted text', '<pre>\na\n\nb</pre>\n\nc', ['text: <pre> a b</pre>', 'text: c']],
    ['link definitions', 'a\n\n[b]: c\n[d]: <e> "f"\ng', ['text: a', 'text: ', 'text: g']],
    ['a footnote is text', '[^1]: a', ['text: [^1]: a']],
    ['front matter', '---\ntitle: a\n---\n# b', ['code: title: a', 'heading1: b']],
    ['an open front matter is a rule', '---\ntitle: a\n\n# b', ['text: ', 'text: title: a', 'heading1: b']],
    ['line breaks of Windows', 'a\r\nb\r\n\r\nc\r\n', ['text: a b', 'text: c']],
    ['any line break', '# a\r\nb\rc\n\r\n\r\rd', ['heading1: a', 'text: b c', 'text: d']],
  ])('%s', (_, text, blocks) => {
    expect(blocksOf(text)).toEqual(blocks)
  })

  test('are found in a line of marks that is longer than the stack of a regular expression', () => {
    expect(markdownBlocks('- '.repeat(3_000_000))).toHaveLength(1)
    expect(markdownBlocks(`a\n${'-|'.repeat(3_000_000)}`)).toHaveLength(1)
  })

  test('start where those of a full parser start, in every document of the book', () => {
    const starts = { equal: 0, theirs: 0, ours: 0 }

    for (const text of documentsAfter(changeStream(book500)).values()) {
      const theirs = blockLines(text)
      const ours = new Set(markdownBlocks(text).map(({ start }) => text.slice(0, start).split('\n').length - 1))
      starts.theirs += theirs.size
      starts.ours += ours.size
      starts.equal += ours.intersection(theirs).size
    }

    expect(starts.theirs).toBeGreaterThan(5_000)
    expect(starts.equal / starts.theirs).toBeGreaterThan(0.999)
    // Link definitions are blocks to us alone.
    expect(starts.equal / starts.ours).toBeGreaterThan(0.95)
  })
})

const parser = new MarkdownIt({ html: true })
const starters = new Set(
  'heading_open paragraph_open list_item_open blockquote_open table_open fence code_block html_block hr'.split(' '),
)

function blockLines(text: string): Set<number> {
  const lines = parser.parse(text, {}).flatMap(({ type, map }) => (map && starters.has(type) ? [map[0]] : []))
  return new Set(lines)
}
