import { appendFileSync, mkdtempSync, realpathSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { brotliCompressSync, gzipSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { changeStream, isChangeStream } from '../../../src/connectors/files/change-stream.ts'
import { readAll, texts } from '../../support/feeds.ts'

let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-stream-'))
  path = join(folder, 'changes.jsonl')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const upsert = (key: string, text: string, more: object = {}) => JSON.stringify({ key, op: 'upsert', text, ...more })
const removal = (key: string, more: object = {}) => JSON.stringify({ key, op: 'delete', ...more })
const lines = (...all: string[]) => all.map((line) => `${line}\n`).join('')

describe('reading a change stream', () => {
  const content = lines(upsert('a.md', 'one'), upsert('b.md', 'zwei 🙂'), removal('a.md'))

  test.each([
    ['changes.jsonl', Buffer.from(content)],
    ['changes.jsonl.gz', gzipSync(content)],
    ['changes.jsonl.br', brotliCompressSync(content)],
  ])('%s gives its changes in order', async (name, bytes) => {
    writeFileSync(join(folder, name), bytes)

    const { records } = await readAll(changeStream({ path: join(folder, name) }))

    expect(texts(records)).toEqual([
      ['a.md', 'one'],
      ['b.md', 'zwei 🙂'],
      ['a.md', null],
    ])
  })

  test('its name, under which the cursor is kept, is the same for all spellings of the path', () => {
    const spellings = [
      path,
      join(folder, '.', 'changes.jsonl'),
      relative('.', path),
      `${folder}/../${basename(folder)}/changes.jsonl`,
    ]

    const names = new Set(spellings.map((spelling) => changeStream({ path: spelling }).name))

    expect([...names]).toEqual([`stream:${realpathSync(folder)}/changes.jsonl`])
  })

  test('a time that no log knows, and a key with half of a character, are skipped by name', async () => {
    const odd = [upsert('a', '', { time: 1e300 }), upsert('k\ud800', 'one'), removal('k\ud801')]
    writeFileSync(path, lines(upsert('a', ''), ...odd, upsert('b', '', { time: 8.64e15 }), upsert('🙂', '')))

    const { records, problems } = await readAll(changeStream({ path }))

    expect(records.map(({ key }) => key)).toEqual(['a', 'b', '🙂'])
    expect(problems).toEqual([
      { place: `${path} line 2`, reason: 'the time 1e+300 is after the last one that there is' },
      { place: `${path} line 3`, reason: 'the key "k\\ud800" has half of a character (a lone surrogate)' },
      { place: `${path} line 4`, reason: 'the key "k\\ud801" has half of a character (a lone surrogate)' },
    ])
  })

  test('a value is the line without key and op, with the key as path', async () => {
    writeFileSync(path, lines(upsert('a.md', 'one', { author: 'Ada', n: 7 })))

    const { records } = await readAll(changeStream({ path }))

    expect(JSON.parse(Buffer.from(records[0]?.value ?? '').toString())).toEqual({
      path: 'a.md',
      text: 'one',
      author: 'Ada',
      n: 7,
    })
  })

  test('the timestamp is the time of the line, or the time of the file', async () => {
    writeFileSync(
      path,
      lines(
        upsert('a', '', { time: '2024-05-01T12:00:00Z' }),
        removal('b', { time: 1_700_000_000_000 }),
        upsert('c', '', { time: 'yesterday' }),
        upsert('d', '', { time: '1960-01-01T00:00:00Z' }),
        upsert('e', ''),
      ),
    )
    utimesSync(path, 1_000, 1_000)

    const { records } = await readAll(changeStream({ path }))

    expect(records.map(({ timestamp }) => timestamp)).toEqual([
      Date.parse('2024-05-01T12:00:00Z'),
      1_700_000_000_000,
      1_000_000,
      1_000_000,
      1_000_000,
    ])
  })

  test('a line that is no change is named, and the others go on', async () => {
    writeFileSync(
      path,
      lines(
        '{"key":',
        upsert('a', 'one'),
        '[]',
        'null',
        '{"op":"upsert","text":""}',
        '{"key":"b","op":"upsert"}',
        '{"key":"b","op":"move"}',
        '{"key":"","op":"delete"}',
        upsert('c', 'two'),
      ),
    )

    const feed = changeStream({ path })
    const { records, problems } = await readAll(feed)

    expect(texts(records)).toEqual([
      ['a', 'one'],
      ['c', 'two'],
    ])
    expect(problems).toEqual([
      { place: `${path} line 1`, reason: 'the line is not a JSON object' },
      { place: `${path} line 3`, reason: 'the line is not a JSON object' },
      { place: `${path} line 4`, reason: 'the line is not a JSON object' },
      { place: `${path} line 5`, reason: 'the line has no "key"' },
      { place: `${path} line 6`, reason: 'the line has no "text"' },
      { place: `${path} line 7`, reason: '"op" is neither "upsert" nor "delete"' },
      { place: `${path} line 8`, reason: 'the line has no "key"' },
    ])
    expect(feed.stats).toEqual({ scanned: 9, changed: 2, unchanged: 0, deleted: 0, skipped: 7 })
  })

  test('byte order mark, CRLF, empty lines and a missing last line feed do not matter', async () => {
    writeFileSync(path, `\ufeff${upsert('a', 'one')}\r\n\r\n\n${upsert('b', 'two')}`)

    const { records, problems } = await readAll(changeStream({ path }))

    expect(texts(records)).toEqual([
      ['a', 'one'],
      ['b', 'two'],
    ])
    expect(problems).toEqual([])
  })

  test('an over-long line is refused by its number', async () => {
    writeFileSync(path, lines(upsert('a', 'one'), upsert('b', 'x'.repeat(300_000)), upsert('c', 'two')))

    const { records, problems } = await readAll(changeStream({ path, maxLineBytes: 100_000 }))

    expect(texts(records)).toEqual([
      ['a', 'one'],
      ['c', 'two'],
    ])
    expect(problems).toEqual([{ place: `${path} line 2`, reason: expect.stringContaining('100000') }])
  })

  test('invalid UTF-8 is replaced', async () => {
    writeFileSync(
      path,
      Buffer.concat([Buffer.from('{"key":"a","op":"upsert","text":"b'), Buffer.of(0xff), Buffer.from('d"}\n')]),
    )

    const { records } = await readAll(changeStream({ path }))

    expect(texts(records)).toEqual([['a', 'b\ufffdd']])
  })

  test('an empty file has nothing to say and is done', async () => {
    writeFileSync(path, '')

    const { batches } = await readAll(changeStream({ path }))

    expect(batches).toEqual([{ records: [], problems: [], cursor: { line: 0, digest: '' }, caughtUp: true }])
  })

  test('batches are bounded, only the last one has caught up', async () => {
    writeFileSync(path, lines(...Array.from({ length: 1_000 }, (_, i) => upsert(`doc-${i}`, 'text'))))

    const { batches, records } = await readAll(changeStream({ path }))

    expect(records).toHaveLength(1_000)
    expect(Math.max(...batches.map((batch) => batch.records.length))).toBeLessThanOrEqual(256)
    expect(batches.map(({ caughtUp }) => caughtUp)).toEqual([false, false, false, true])
  })

  test('a signal ends it without an error', async () => {
    writeFileSync(path, lines(...Array.from({ length: 1_000 }, (_, i) => upsert(`doc-${i}`, 'text'))))
    const abort = new AbortController()
    let records = 0

    for await (const batch of changeStream({ path }).read(undefined, abort.signal)) {
      records += batch.records.length
      abort.abort()
    }

    expect(records).toBe(256)
  })

  test('a missing file and a cut archive are errors that name the file', async () => {
    const cut = join(folder, 'cut.jsonl.gz')
    writeFileSync(cut, gzipSync(content).subarray(0, 40))

    await expect(readAll(changeStream({ path }))).rejects.toMatchObject({
      code: 'SOURCE_MISSING',
      message: expect.stringContaining(path),
    })
    await expect(readAll(changeStream({ path: cut }))).rejects.toMatchObject({
      code: 'SOURCE_UNREADABLE',
      message: expect.stringContaining(cut),
    })
  })

  test.each([
    ['a.jsonl', true],
    ['a.JSONL.GZ', true],
    ['a.jsonl.br', true],
    ['a.json', false],
    ['a.jsonl.zip', false],
    ['docs', false],
  ])('%s is a change stream: %s', (name, expected) => {
    expect(isChangeStream(name)).toBe(expected)
  })
})

describe('reading on', () => {
  test.each(['changes.jsonl', 'changes.jsonl.gz'])(
    '%s goes on after each cursor without loss or repetition',
    async (name) => {
      const content = lines(...Array.from({ length: 700 }, (_, i) => upsert(`doc-${i}`, 'text')))
      const file = join(folder, name)
      writeFileSync(file, name.endsWith('.gz') ? gzipSync(content) : content)
      const whole = await readAll(changeStream({ path: file }))

      for (const [i, { cursor }] of whole.batches.entries()) {
        const rest = await readAll(changeStream({ path: file }), cursor)

        expect(rest.records).toEqual(whole.batches.slice(i + 1).flatMap(({ records }) => records))
      }
    },
  )

  test('a file that has grown gives what is new', async () => {
    writeFileSync(path, lines(upsert('a', 'one')))
    const { cursor } = await readAll(changeStream({ path }))
    appendFileSync(path, lines(upsert('b', 'two')))

    const feed = changeStream({ path })
    const { records } = await readAll(feed, cursor)

    expect(texts(records)).toEqual([['b', 'two']])
    expect(feed.stats).toMatchObject({ changed: 1, unchanged: 1 })
  })

  test('a file that has not changed gives nothing, and the cursor stays the same object', async () => {
    writeFileSync(path, lines(upsert('a', 'one')))
    const { cursor } = await readAll(changeStream({ path }))

    const again = await readAll(changeStream({ path }), cursor)

    expect(again.records).toEqual([])
    expect(again.cursor).toBe(cursor)
  })

  test('a last line that was half written is taken once it is whole', async () => {
    const last = upsert('b', 'two')
    writeFileSync(path, lines(upsert('a', 'one')) + last.slice(0, 20))
    const first = await readAll(changeStream({ path }))
    appendFileSync(path, `${last.slice(20)}\n`)

    const second = await readAll(changeStream({ path }), first.cursor)

    expect(first.problems).toHaveLength(1)
    expect(texts(second.records)).toEqual([['b', 'two']])
  })

  test.each([
    ['another beginning', lines(upsert('x', 'other'), upsert('b', 'two'), upsert('c', 'three'))],
    ['another middle', lines(upsert('a', 'one'), upsert('x', 'other'), upsert('c', 'three'))],
    ['fewer lines', lines(upsert('a', 'one'))],
  ])('a file with %s is read from its start', async (_what, replacement) => {
    writeFileSync(path, lines(upsert('a', 'one'), upsert('b', 'two')))
    const { cursor } = await readAll(changeStream({ path }))
    writeFileSync(path, replacement)

    const { records } = await readAll(changeStream({ path }), cursor)

    expect(records).toHaveLength(replacement.trim().split('\n').length)
  })
})
