import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { describe, expect, test, vi } from 'vitest'
import { millraceHere } from '../support/command-here.ts'
import { type LetterFolder, letterFolder } from '../support/letter-folder.ts'
import { readAll } from '../support/log-records.ts'

const dlq = (folder: LetterFolder, name: string, ...parameters: string[]) =>
  millraceHere(['dlq', name, ...parameters, '--data', folder.data])

const linesOf = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>)

const three = [
  { key: 'a.md', value: 'About apples.', code: 'EMBED_TEXT', timestamp: 2_000 },
  { key: 'b.md', value: 'About bees.', code: 'EMBED_TEXT', timestamp: 1_000 },
  { key: 'c.md', value: 'About clay.', code: 'DOCUMENT_TOO_LARGE', timestamp: 3_000 },
] as const

describe('dlq list', () => {
  test('counts letters by code and source, with the times of their records and the last letter', async () => {
    await using folder = await letterFolder(three)

    const { stdout } = await dlq(folder, 'list', '--json')

    expect(linesOf(stdout)).toEqual([
      {
        ...{ code: 'EMBED_TEXT', source: 'documents', letters: 2, latest: '0@1' },
        ...{ first: '1970-01-01T00:00:01.000Z', last: '1970-01-01T00:00:02.000Z' },
      },
      {
        ...{ code: 'DOCUMENT_TOO_LARGE', source: 'documents', letters: 1, latest: '0@2' },
        ...{ first: '1970-01-01T00:00:03.000Z', last: '1970-01-01T00:00:03.000Z' },
      },
    ])
  })

  test('prints a table for people, and what to do next', async () => {
    await using folder = await letterFolder(three)

    const { stdout } = await dlq(folder, 'list')

    expect(stdout.split('\n')).toEqual([
      'code                source     letters  first                     last                      latest',
      'EMBED_TEXT          documents  2        1970-01-01T00:00:01.000Z  1970-01-01T00:00:02.000Z  0@1',
      'DOCUMENT_TOO_LARGE  documents  1        1970-01-01T00:00:03.000Z  1970-01-01T00:00:03.000Z  0@2',
      `3 dead letters in index-dead-letter (folder ${folder.data})`,
      expect.stringMatching(new RegExp(`^next: .*dlq show 0@1 --data ${folder.data}$`)),
      '',
    ])
  })

  test('prints each letter, and only those that are meant', async () => {
    await using folder = await letterFolder(three)

    const byKey = await dlq(folder, 'list', '--letters', '--json', '--key', 'b.md')
    const byCode = await dlq(folder, 'list', '--letters', '--code', 'DOCUMENT_TOO_LARGE')
    const bySource = await dlq(folder, 'list', '--source', 'elsewhere')

    expect(linesOf(byKey.stdout)).toMatchObject([
      { letter: '0@1', source: { topic: 'documents', partition: 0, offset: 1 }, key: 'b.md', attempt: 0 },
    ])
    expect(byCode.stdout).toBe('0@2  DOCUMENT_TOO_LARGE  documents-0@2  1970-01-01T00:00:03.000Z  c.md\n')
    expect(bySource.stdout).toBe(`no dead letters in index-dead-letter (folder ${folder.data})\n`)
  })

  test('says how often a record was put back before it failed again', async () => {
    await using folder = await letterFolder([{ ...three[0], attempt: 2 }])

    const { stdout } = await dlq(folder, 'list', '--letters')

    expect(stdout).toContain('redriven 2 times')
  })

  test('lets nothing of a hostile key reach the terminal', async () => {
    await using folder = await letterFolder([{ ...three[0], key: '\u001b[2Ja\u202eb\nc' }])

    const { stdout } = await dlq(folder, 'list', '--letters')

    expect(stdout).toContain('\\u{1b}[2Ja\\u{202e}b c\n')
  })
})

describe('dlq show', () => {
  test('prints code, fact, fix, places, headers and payload of a letter', async () => {
    await using folder = await letterFolder(three)

    const { stdout } = await dlq(folder, 'show', '0@1')

    expect(stdout.split('\n')).toEqual([
      'letter:    index-dead-letter-0@1',
      'source:    documents-0@1',
      'code:      EMBED_TEXT',
      'fact:      it failed.',
      'fix:       Look at the named text, or the text of the named document.',
      'time:      1970-01-01T00:00:01.000Z',
      'redriven:  0 times',
      'key:       b.md',
      'payload:   11 bytes',
      '',
      'headers:',
      '  __streams.errors.exception   EMBED_TEXT',
      '  __streams.errors.message     EMBED_TEXT: it failed. Look at the named text, or the text of the named document.',
      '  __streams.errors.stacktrace  at a line',
      '  __streams.errors.topic       documents',
      '  __streams.errors.partition   0',
      '  __streams.errors.offset      1',
      '',
      'About bees.',
      '',
    ])
  })

  test('shows the beginning of a long payload, and writes all of it to a file', async () => {
    const value = 'ä'.repeat(2_000)
    await using folder = await letterFolder([{ ...three[0], value: `x${value}` }])
    const out = join(folder.data, 'payload')

    const { stdout } = await dlq(folder, 'show', '0@0', '--json', '--out', out)

    expect(linesOf(stdout)).toMatchObject([
      { letter: '0@0', code: 'EMBED_TEXT', fact: 'it failed.', bytes: 4_001, excerpt: `x${'ä'.repeat(399)} ...` },
    ])
    expect(await readFile(out, 'utf8')).toBe(`x${value}`)
  })

  test('shows what is no text in hexadecimal, and a deletion as none', async () => {
    await using folder = await letterFolder([
      { ...three[0], value: Uint8Array.of(0xff, 0x00) },
      { ...three[0], value: null },
    ])

    const binary = await dlq(folder, 'show', '0@0')
    const deletion = await dlq(folder, 'show', '0@1', '--json')

    expect(binary.stdout).toContain('\n0xff00\n')
    expect(linesOf(deletion.stdout)).toMatchObject([{ bytes: null, excerpt: null }])
  })

  test.each(['0@3', '1@0'])('says that there is no letter %s', async (place) => {
    await using folder = await letterFolder(three)

    const { stderr, code } = await dlq(folder, 'show', place)

    expect(stderr).toMatch(new RegExp(`^USAGE: there is no letter ${place} in index-dead-letter\\. See `))
    expect(code).toBe(2)
  })
})

describe('dlq redrive', () => {
  test('puts records back once, and says what to do then', async () => {
    await using folder = await letterFolder(three)

    const first = await dlq(folder, 'redrive', '--code', 'EMBED_TEXT')
    const second = await dlq(folder, 'redrive', '--json')

    expect(first.stdout.split('\n')).toEqual([
      'letters:   2',
      'redriven:  2  put back into their source',
      expect.stringMatching(/^next: .* index <source>$/),
      '',
    ])
    const none = { superseded: 0, gone: 0, unplaced: 0, refused: 0, repeated: 0 }
    expect(linesOf(second.stdout)).toEqual([{ ...none, letters: 3, redriven: 1, before: 2, dryRun: false }])
    const records = await folder.inLog((log) => readAll(log, { topic: 'documents', partition: 0 }))
    expect(records.slice(3).map(({ key }) => Buffer.from(key ?? []).toString())).toEqual(['a.md', 'b.md', 'c.md'])
  })

  test('says why others are left alone, and writes nothing in a dry run', async () => {
    await using folder = await letterFolder([...three, { ...three[0], value: 'newer' }])

    const { stdout } = await dlq(folder, 'redrive', '--dry-run')

    expect(stdout.split('\n')).toEqual([
      'letters:     4',
      'redriven:    3  would be put back into their source',
      'superseded:  1  their key has a newer record',
      '',
    ])
    const [range] = await folder.inLog((log) => log.offsets([{ topic: 'documents', partition: 0 }]))
    expect(range?.latest).toBe(4)
  })

  test('refuses a rate that is none', async () => {
    const { stderr, code } = await millraceHere(['dlq', 'redrive', '--rate', '0'])

    expect(stderr).toContain('It must be a whole number from 1 to')
    expect(code).toBe(2)
  })
})

describe('dlq purge', () => {
  const left = async (folder: LetterFolder) => {
    const { stdout } = await dlq(folder, 'list', '--letters', '--json')
    return linesOf(stdout).map(({ letter }) => letter)
  }

  test('deletes all letters, and none of their records', async () => {
    await using folder = await letterFolder(three)

    const { stdout } = await dlq(folder, 'purge', '--all', '--yes')

    expect(stdout).toBe('purged 3 dead letters of index-dead-letter\n')
    expect(await left(folder)).toEqual([])
    const records = await folder.inLog((log) => readAll(log, { topic: 'documents', partition: 0 }))
    expect(records).toHaveLength(3)
  })

  test('deletes letters up to one of them, and that one', async () => {
    await using folder = await letterFolder(three)

    const { stdout } = await dlq(folder, 'purge', '--up-to', '0@1', '--yes', '--json')
    const again = await dlq(folder, 'purge', '--up-to', '0@1', '--yes')

    expect(linesOf(stdout)).toEqual([{ topic: 'index-dead-letter', purged: 2 }])
    expect(again.stderr).toContain('USAGE: there is no letter 0@1 in index-dead-letter')
    expect(await left(folder)).toEqual(['0@2'])
  })

  test.each([
    ['', 'USAGE: nobody has confirmed it, so nothing was done. Type index-dead-letter when asked, or give --yes.', 3],
    ['yes\n', 'USAGE: what was typed is another name, so nothing was done.', 3],
    ['index-dead-letter\n', 'This deletes 3 dead letters for ever. Type index-dead-letter to go on: ', 0],
  ])('asks for the name of the topic, and gets %j', async (typed, said, count) => {
    await using folder = await letterFolder(three)
    const input = vi.spyOn(process, 'stdin', 'get').mockReturnValue(Readable.from([typed]) as typeof process.stdin)

    const { stderr } = await dlq(folder, 'purge', '--all')
    input.mockRestore()

    expect(stderr).toContain(said)
    expect(await left(folder)).toHaveLength(count)
  })

  test.each([[[]], [['--all', '--up-to', '0@1']]])('wants to know which: %j', async (options) => {
    const { stderr, code } = await millraceHere(['dlq', 'purge', ...options])

    expect(stderr).toBe('USAGE: which letters to purge is not clear. Give either --all or --up-to.\n')
    expect(code).toBe(2)
  })
})

describe('the place of the letters', () => {
  test('is not guessed from brokers alone', async () => {
    const { stderr, code } = await millraceHere(['dlq', 'list', '--brokers', '127.0.0.1:1'])

    expect(stderr).toContain('USAGE: --brokers alone says not whose dead letters are meant.')
    expect(code).toBe(2)
  })

  test('is named where it does not exist', async () => {
    await using folder = await letterFolder(three)

    const { stderr, code } = await dlq(folder, 'list', '--topic', 'nowhere')

    expect(stderr).toMatch(/^TOPIC_MISSING: embedded .* has no dead-letter topic "nowhere"\. Name the application/)
    expect(code).toBe(78)
  })

  test('is refused while another process works there', async () => {
    await using folder = await letterFolder(three)
    await using _ = await folder.lock()

    const { stderr, code } = await dlq(folder, 'list')

    expect(stderr).toMatch(/^STATE_LOCKED: another process works in .*\. Stop it, then run the command again\.\n$/)
    expect(code).toBe(1)
  })
})
