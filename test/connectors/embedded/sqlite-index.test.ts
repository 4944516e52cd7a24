import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { type SqliteIndexOptions, sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import type { IndexOp } from '../../../src/model.ts'
import type { Pipeline, VectorIndex } from '../../../src/topology/processor.ts'
import { change, payload, point, remove, testDimensions, unitVector, upsert } from '../../support/points.ts'

const pipeline: Pipeline = { id: 'pipeline-a', dimensions: testDimensions }
const never = new AbortController().signal

let folder: string
let path: string
const opened: VectorIndex[] = []

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-index-'))
  path = join(folder, 'index.db')
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((index) => index.close()))
  rmSync(folder, { recursive: true, force: true })
})

async function open(options: SqliteIndexOptions = {}, as: Pipeline = pipeline): Promise<VectorIndex> {
  const index = sqliteIndex({ path, ...options })
  opened.push(index)
  await index.open(as)
  return index
}

async function write(index: VectorIndex, key: string, ...operations: IndexOp[]): Promise<void> {
  await index.writer('0_0').write(change(key, ...operations), never)
}

async function contents(index: VectorIndex): Promise<string[]> {
  const found: string[] = []
  for await (const stored of index.scan()) found.push(stored.payload.content)
  return found.sort()
}

test('a program that is given on the command line opens one, and is told of no experiment', () => {
  const connectors = new URL('../../../src/connectors/index.ts', import.meta.url)
  const program = `
    import { sqliteIndex } from ${JSON.stringify(connectors)}
    const index = sqliteIndex({ path: ${JSON.stringify(path)} })
    await index.open(${JSON.stringify(pipeline)})
    await index.close()`

  const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  })

  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

describe('opening', () => {
  test.skipIf(process.platform !== 'linux')('a folder that cannot be made is refused at once', async () => {
    await expect(open({ path: '/proc/none/index.db' })).rejects.toMatchObject({ code: 'STATE_IO' })
  })

  test('missing folders are created', async () => {
    const deep = join(folder, 'a', 'b', 'index.db')

    await write(await open({ path: deep }), 'a', upsert(point('a', 'text')))

    expect(statSync(deep).size).toBeGreaterThan(0)
  })

  test('an index in memory works and leaves no file', async () => {
    const index = await open({ path: ':memory:' })

    await write(index, 'a', upsert(point('a', 'text')))

    expect(await contents(index)).toEqual(['text'])
  })

  test('without a known size of vectors nothing is created, but an existing file opens', async () => {
    const unknown: Pipeline = { id: 'pipeline-a', dimensions: undefined }

    await expect(open({}, unknown)).rejects.toMatchObject({ code: 'CONFIG_INVALID' })
    expect(() => statSync(path)).toThrow()
    await write(await open(), 'a', upsert(point('a', 'text')))
    const index = await open({}, unknown)

    expect(await contents(index)).toEqual(['text'])
  })

  test('a file that is not a database is corrupt, and stays as it is', async () => {
    writeFileSync(path, 'This is a text file, not an index. '.repeat(100))
    const before = readFileSync(path)

    await expect(open()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })

    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a file that was cut is corrupt', async () => {
    const index = await open()
    await write(index, 'a', upsert(...Array.from({ length: 300 }, (_, i) => point('a', `part ${i}`))))
    await index.close()
    writeFileSync(path, readFileSync(path).subarray(0, 40_000))

    await expect(open()).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
  })

  test('pages full of garbage are reported as corrupt when they are read', async () => {
    const index = await open()
    await write(index, 'a', upsert(...Array.from({ length: 300 }, (_, i) => point('a', `part ${i}`))))
    await index.close()
    const bytes = readFileSync(path)
    writeFileSync(path, bytes.fill(0xaa, 16_384 * 5))

    const reading = open().then(contents)

    await expect(reading).rejects.toMatchObject({ code: 'INDEX_CORRUPT' })
  })

  test('a database of another program is refused and stays as it is', async () => {
    using other = new DatabaseSync(path)
    other.exec("CREATE TABLE notes (text); INSERT INTO notes VALUES ('precious')")
    const before = readFileSync(path)

    await expect(open()).rejects.toMatchObject({ code: 'INDEX_MISMATCH', message: expect.stringContaining(path) })

    expect(readFileSync(path).equals(before)).toBe(true)
  })

  test('a file of a newer format is refused', async () => {
    await (await open()).close()
    using newer = new DatabaseSync(path)
    newer.exec('PRAGMA user_version = 99')

    await expect(open()).rejects.toMatchObject({ code: 'STATE_FORMAT', message: expect.stringContaining('99') })
  })

  test('a path that cannot be opened is named', async () => {
    await expect(open({ path: folder })).rejects.toMatchObject({
      code: 'STATE_IO',
      message: expect.stringContaining(folder),
    })
  })
})

describe('reading beside a writer', () => {
  test('a reader sees what the writer commits, while both are open', async () => {
    const writing = await open()
    await write(writing, 'a', upsert(point('a', 'before')))

    const reading = await open({ readOnly: true })
    const before = await contents(reading)
    await write(writing, 'a', upsert(point('a', 'after')))

    expect(before).toEqual(['before'])
    expect(await contents(reading)).toEqual(['after', 'before'])
  })

  test('a reader finds what a writer left that has gone', async () => {
    const writing = await open()
    await write(writing, 'a', upsert(point('a', 'text')))
    await writing.close()

    const reading = await open({ readOnly: true }, { id: 'anything', dimensions: undefined })
    const hits = await reading.search({ text: 'text', vector: unitVector('text') })

    expect(hits.map((hit) => hit.payload.content)).toEqual(['text'])
  })

  test('a reader of a missing index says so and creates nothing', async () => {
    await expect(open({ readOnly: true })).rejects.toMatchObject({
      code: 'INDEX_MISSING',
      message: expect.stringContaining(path),
    })
    expect(() => statSync(path)).toThrow()
  })

  test('a reader has no writer', async () => {
    await open()
    const reading = await open({ readOnly: true })

    expect(() => reading.writer('0_0')).toThrow('for reading only')
  })

  test('a write waits until another process has let go of the file', async () => {
    const clock = new ManualClock()
    const index = await open({ clock, busyTimeoutMs: 1 })
    using other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')

    const written = write(index, 'a', upsert(point('a', 'text')))
    await vi.waitFor(() => expect(index.stats.writeRequests).toBeGreaterThan(0))
    other.exec('COMMIT')
    await vi.waitFor(() => {
      clock.advance(10_000)
      expect(index.stats.pointsWritten).toBe(1)
    })
    await written

    expect(await contents(index)).toEqual(['text'])
  })

  test('a write that waits for another process can be given up', async () => {
    const index = await open({ clock: new ManualClock(), busyTimeoutMs: 1 })
    using other = new DatabaseSync(path)
    other.exec('BEGIN IMMEDIATE')
    const abort = new AbortController()

    const written = index.writer('0_0').write(change('a', upsert(point('a', 'text'))), abort.signal)
    await vi.waitFor(() => expect(index.stats.writeRequests).toBeGreaterThan(0))
    abort.abort(new Error('too late'))

    await expect(written).rejects.toThrow('too late')
  })
})

describe('writing', () => {
  test('a refused record leaves no trace of its earlier operations', async () => {
    const index = await open()

    const refused = write(index, 'a', upsert(point('a', 'first')), {
      kind: 'set-payload',
      updates: [{ id: point('a', 'missing').id, payload: payload('a', 'missing') }],
    })

    await expect(refused).rejects.toMatchObject({ code: 'INDEX_DRIFTED' })
    expect(await contents(index)).toEqual([])
  })

  test('metadata that is not JSON is refused alone', async () => {
    const index = await open()
    const circular: Record<string, unknown> = {}
    circular.self = circular

    const results = await Promise.allSettled([
      write(index, 'a', upsert(point('a', 'good'))),
      write(
        index,
        'b',
        upsert({ ...point('b', 'bad'), payload: { ...payload('b', 'bad'), metadata: circular as never } }),
      ),
      write(index, 'c', upsert({ ...point('c', 'fine') })),
    ])

    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(await contents(index)).toEqual(['fine', 'good'])
  })

  test('records with huge texts do not share one transaction', async () => {
    const index = await open()
    const huge = 'x'.repeat(3_000_000)

    await Promise.all(['a', 'b', 'c', 'd'].map((key) => write(index, key, upsert(point(key, huge)))))

    expect(index.stats).toMatchObject({ pointsWritten: 4, writeRequests: 4 })
  })

  test("the caller's vectors stay usable", async () => {
    const index = await open()
    const given = point('a', 'text')

    await write(index, 'a', upsert(given))

    expect(given.vector).toEqual(unitVector('text'))
  })

  test('a vector of another length counts by its direction', async () => {
    const index = await open()
    const long = unitVector('text').map((value) => value * 25)

    await write(index, 'a', upsert(point('a', 'text', { vector: long })))
    const [hit] = await index.search({ text: '', vector: unitVector('text') }, { mode: 'vector' })

    expect(hit?.score).toBeCloseTo(1, 5)
  })

  test('control characters and a lone surrogate neither break nor cut a text', async () => {
    const index = await open()

    await write(index, 'a', upsert(point('a', 'before\u0000after \ud800 end')))

    expect(await contents(index)).toEqual(['before\u0000after \ufffd end'])
  })

  test('rewriting the same documents again and again does not let the file grow', async () => {
    const index = await open()
    const rewrite = async (version: number) => {
      const fresh = Array.from({ length: 200 }, (_, i) => point('a', `version ${version} part ${i}`))
      const stale = Array.from({ length: 200 }, (_, i) => point('a', `version ${version - 1} part ${i}`))
      await write(index, 'a', upsert(...fresh), remove(...stale))
    }
    const pages = () => {
      using database = new DatabaseSync(path, { readOnly: true })
      return Number(database.prepare('PRAGMA page_count').get()?.page_count)
    }

    for (let version = 0; version < 5; version++) await rewrite(version)
    const early = pages()
    for (let version = 5; version < 15; version++) await rewrite(version)

    expect(pages()).toBeLessThan(early * 1.5)
  })
})

describe('searching', () => {
  const found = async (index: VectorIndex, text: string) => {
    const hits = await index.search({ text }, { mode: 'text' })
    return hits.map((hit) => hit.payload.content).sort()
  }

  test('a word that is nearly everywhere decides nothing beside a telling one, and is found alone', async () => {
    const index = await open()
    const texts = ['the broker', ...Array.from({ length: 1_200 }, (_, i) => `the gate ${i}`)]
    await write(index, 'a', upsert(...texts.map((text) => point('a', text))))

    expect(await found(index, 'the broker')).toEqual(['the broker'])
    expect(await found(index, 'the')).toHaveLength(10)
  })

  test('a word that is nowhere does not displace one that is nearly everywhere, in no form of it', async () => {
    const index = await open()
    const texts = Array.from({ length: 1_200 }, (_, i) => `Kafka documents ${i}`)
    await write(index, 'a', upsert(...texts.map((text) => point('a', text))))

    expect(await found(index, 'kafka zookeeper')).toHaveLength(10)
    expect(await found(index, 'documenting zookeepers')).toHaveLength(10)
    expect(await found(index, 'document 77')).toEqual(['Kafka documents 77'])
    expect(await found(index, 'zookeeper')).toEqual([])
  })

  test('a word that was deleted everywhere does not hide the others', async () => {
    const index = await open()
    const texts = Array.from({ length: 1_200 }, (_, i) => `kafka ${i}`)
    await write(index, 'a', upsert(...texts.map((text) => point('a', text)), point('a', 'zookeeper')))
    await write(index, 'a', remove(point('a', 'zookeeper')))

    expect(await found(index, 'kafka zookeeper')).toHaveLength(10)
  })

  test('in a small index every word counts', async () => {
    const index = await open()
    await write(index, 'a', upsert(point('a', 'kafka broker'), point('a', 'kafka topic'), point('a', 'kafka')))

    expect(await found(index, 'kafka topic')).toEqual(['kafka', 'kafka broker', 'kafka topic'])
  })

  test.each([
    [
      'a word inside of a sentence',
      '\u6771\u4eac',
      '\u79c1\u306f\u6771\u4eac\u306b\u4f4f\u3093\u3067\u3044\u307e\u3059\u3002',
    ],
    ['the end of a sentence', '\u6771\u4eac', '\u6c34\u8eca\u306f\u6771\u4eac'],
    ['a single character', '\u6c34', '\u6c34\u8eca\u306e\u8a71'],
    ['a single character at the end', '\u8a71', '\u6c34\u8eca\u306e\u8a71'],
    ['a word with another ending', '\uc11c\uc6b8\uc5d0\uc11c', '\uc11c\uc6b8\uc740 \ub113\ub2e4'],
    ['Latin beside it', 'kafka', 'Kafka\u5165\u9580'],
    ['it beside Latin', '\u5165\u9580', 'Kafka\u5165\u9580'],
  ])('scripts without spaces: %s', async (_what, query, text) => {
    const index = await open()
    await write(
      index,
      'a',
      upsert(point('a', text), point('a', '\u5225\u306e\u6587\u7ae0'), point('a', 'Nothing in common')),
    )

    expect(await found(index, query)).toEqual([text])
  })

  test('words are found in their other forms', async () => {
    const index = await open()
    await write(index, 'a', upsert(point('a', 'Connections are retried'), point('a', 'Nothing else')))

    const hits = await index.search({ text: 'how to retry a connection' }, { mode: 'text' })

    expect(hits.map((hit) => hit.payload.content)).toEqual(['Connections are retried'])
  })

  test('a query vector of another model is refused by name', async () => {
    const index = await open()

    const searching = index.search({ text: 'x', vector: unitVector('x', 5) })

    await expect(searching).rejects.toMatchObject({ fact: expect.stringContaining('5 dimensions, not 8') })
  })

  test.each([0, -1, 1.5, Number.NaN])('%d hits are refused', async (limit) => {
    const index = await open()

    await expect(index.search({ text: 'x' }, { mode: 'text', limit })).rejects.toMatchObject({ code: 'USAGE' })
  })
})
