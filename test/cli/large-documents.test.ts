import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { millraceHere } from '../support/command-here.ts'
import { documentFolder } from '../support/document-folder.ts'

const timeout = 60_000
const text = (bytes: number) => 'A sentence of a large document. '.repeat(bytes / 32)
const lines = (...changes: object[]) => changes.map((change) => `${JSON.stringify(change)}\n`).join('')

describe('a large document', { timeout }, () => {
  test('of two megabytes is indexed', async () => {
    await using folder = await documentFolder({ 'docs/large.md': text(2 * 1024 * 1024), 'docs/small.md': 'Small.' })

    const { summary, code, stderr } = await folder.index('docs')

    expect(stderr).not.toContain('large.md')
    expect(code).toBe(0)
    expect(summary).toMatchObject({ documents: { new: 2 }, deadLetters: 0 })
  })

  test('in a folder is named by every run, until --max-document-bytes lets it in', async () => {
    await using folder = await documentFolder({ 'docs/large.md': text(2_048), 'docs/small.md': 'Small.' })

    const runs = [
      await folder.index('docs', '--max-document-bytes', '1000'),
      await folder.index('docs', '--max-document-bytes', '1000'),
    ]
    const allowed = await folder.index('docs', '--max-document-bytes', '3000')

    for (const { stderr, code } of runs) {
      expect(stderr).toContain('skipped large.md: 2048 bytes are more than --max-document-bytes (1000)')
      expect(code).toBe(0)
    }
    expect(allowed.stderr).toBe('')
    expect(await folder.indexed()).toEqual(['large.md', 'small.md'])
  })

  test('of a change stream is a dead letter: every run names it and fails, until it changes', async () => {
    const large = { key: 'large.md', op: 'upsert', text: text(2_048) }
    const small = { key: 'small.md', op: 'upsert', text: 'Small.' }
    await using folder = await documentFolder({ 'c.jsonl': lines(large, small) })
    const index = () => folder.index('c.jsonl', '--max-document-bytes', '1000')

    const runs = [await index(), await index()]
    await folder.put('c.jsonl', lines(large, small, { key: 'large.md', op: 'upsert', text: 'Not large.' }))
    const mended = await index()

    for (const { stderr, code, summary } of runs) {
      expect(stderr).toMatch(
        /dead letters: 1; .* \(topic index-dead-letter of data\/log\):\n {2}large\.md: DOCUMENT_TOO_LARGE/,
      )
      expect(summary.deadLetters).toBe(1)
      expect(code).toBe(1)
    }
    expect(mended).toMatchObject({ code: 0, stderr: '', summary: { deadLetters: 0 } })
    expect(await folder.indexed()).toEqual(['large.md', 'small.md'])
  })

  test('of a change stream is indexed after a redrive under another limit', async () => {
    const large = { key: 'large.md', op: 'upsert', text: text(2_048) }
    await using folder = await documentFolder({ 'c.jsonl': lines(large) })
    await folder.index('c.jsonl', '--max-document-bytes', '1000')

    const data = join(folder.path, 'data')
    const redriven = await millraceHere(['dlq', 'redrive', '--data', data, '--code', 'DOCUMENT_TOO_LARGE'])
    const { code, summary } = await folder.index('c.jsonl')

    expect(redriven.stdout).toMatch(
      /^letters: {3}1\nredriven: {2}1 {2}put back into their source\nnext: .* index <source>\n$/,
    )
    expect({ code, summary }).toMatchObject({ code: 0, summary: { deadLetters: 0, documents: { new: 1 } } })
  })
})

test('--watch on a change stream is refused with a sentence', { timeout }, async () => {
  await using folder = await documentFolder({ 'c.jsonl': '' })

  const { stderr, code } = await folder.index('c.jsonl', '--watch')

  expect(stderr).toMatch(/^USAGE: --watch follows folders, and c\.jsonl is a change stream\. Leave --watch out/)
  expect(code).toBe(2)
})
