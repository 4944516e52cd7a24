import { describe, expect, test } from 'vitest'
import { markdownBlocks } from '../../../src/operators/chunker/markdown-blocks.ts'
import { inlineText, markdownText } from '../../../src/operators/chunker/markdown-text.ts'
import { normalized } from '../../../src/operators/chunker/outline.ts'

describe('the plain text of Markdown prose', () => {
  test.each<[name: string, source: string, plain: string]>([
    [
      'links and images keep their text',
      'see [the *guide*](a/b.md "T") and ![a cat](cat.png)',
      'see the guide and a cat',
    ],
    ['targets with parentheses', '[a](b_(c)) d', 'a d'],
    ['references', '[a][b], [c][], [d]', 'a, c, [d]'],
    ['an image in a link', '[![build](b.svg)](ci) passes', 'build passes'],
    ['an open link stays', '[a](b and [c', '[a](b and [c'],
    ['emphasis', '**a** __b__ *c* _d_ ~~e~~ ***f***', 'a b c d e f'],
    ['signs between spaces', '2 * 3 _ 4 ~ 5', '2 * 3 _ 4 ~ 5'],
    ['underscores in words', 'snake_case_name __init__', 'snake_case_name init'],
    ['code as it is', 'call `a_b(*c)` and ``d ` e`` and `open', 'call a_b(*c) and d ` e and `open'],
    ['tags', 'a<b>c</b> <a id="x"></a>d<br/>e</td><td>f', 'ac d e  f'],
    ['a sign is no tag', 'a < b and 3<4', 'a < b and 3<4'],
    ['comments', 'a<!-- [b](c) --> d <!-- e', 'a d <!-- e'],
    ['bare links', '<https://example.org/a_b> <me@example.org>', 'https://example.org/a_b me@example.org'],
    ['escapes', '\\*a\\* \\[b\\] c\\d\\\ne', '*a* [b] c\\d\ne'],
    ['entities', 'a &amp; b &lt;c&gt; &copy;', 'a & b <c> &copy;'],
    ['anchors', 'Title {#the-title} {: .wide} {kept}', 'Title   {kept}'],
    ['footnotes', 'a[^1] b', 'a b'],
  ])('%s', (_, source, plain) => {
    expect(inlineText(source)).toBe(plain)
  })
})

describe('the plain text of a block', () => {
  const plainOf = (text: string): string =>
    normalized(
      markdownBlocks(text)
        .map((block) => markdownText(text, block, block.content))
        .join('\n'),
    )

  test.each<[name: string, text: string, plain: string]>([
    [
      'code is kept, the fence and its language are not',
      '```rust\nlet a: Vec<T> = *b; // [c](d)\n```',
      'let a: Vec<T> = *b; // [c](d)',
    ],
    ['cells without borders', '| a | `b` |\n|:--|---|\n| c \\| d | **e** |', 'a b c | d e'],
    ['quotes without marks', '> # a\n> > b\n> 1. c\n> d', 'a b c d'],
    ['items without marks', '- [ ] a\n* b\n1. c', 'a b c'],
    ['a heading without marks', '## a *b* ##', 'a b'],
    ['nothing of a comment, a rule, a definition', 'a\n\n<!-- b\n\nc -->\n\n---\n\n[d]: e\n', 'a'],
  ])('%s', (_, text, plain) => {
    expect(plainOf(text)).toBe(plain)
  })
})
