import { readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { estimatesOf } from '../../src/cli/plan/estimates.ts'
import type { Plan } from '../../src/cli/plan/plan-run.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { millraceHere } from '../support/command-here.ts'
import { send } from '../support/dead-letters.ts'
import { logRecord } from '../support/log-records.ts'
import { overlaid } from '../support/overlaid.ts'
import { type Document, PlannedApplication } from '../support/planned-application.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

/** Sentences that differ, so that no chunk of one document is a chunk of another one by chance. */
function document(subject: string, sentences: number, author = 'Ann'): Document {
  const text = Array.from({ length: sentences }, (_, at) => `Sentence ${at} says something about ${subject}.`).join(
    '\n\n',
  )
  return { text, author }
}

const three = { a: document('apples', 30), b: document('bees', 20), c: document('clay', 10) }

describe('a plan says what the run then does', () => {
  test('of documents that were never indexed', async () => {
    await using app = await PlannedApplication.start()
    await app.write({ ...three, twin: three.a })

    const plan = await app.plan()

    expect(plan).toEqual(await app.run())
    expect(plan).toMatchObject({ records: 4, documents: { new: 4 }, points: { payloadUpdates: 0, deletes: 0 } })
    expect(plan.embeddings.texts).toBe(plan.points.upserts)
    expect(plan.embeddings.distinct).toBeLessThan(plan.embeddings.texts)
  })

  test('of a stream of edits, other metadata, deletions, repetitions, and records that fail', async () => {
    await using app = await PlannedApplication.start()
    await app.write({ ...three, d: document('dust', 5), e: document('earth', 5) })
    await app.run()
    await app.write({
      a: { ...three.a, text: three.a.text.replace('Sentence 12 says', 'Sentence 12 does not say') },
      b: { ...three.b, author: 'Bob' },
      c: three.c,
      d: null,
      e: 'undecodable',
      f: document('fire', 8),
    })

    const plan = await app.plan()

    expect(plan).toEqual(await app.run())
    expect(plan).toMatchObject({
      records: 6,
      documents: { new: 1, changed: 1, metadataOnly: 1, unchanged: 1, deleted: 1 },
      failures: { RECORD_UNDECODABLE: 1 },
    })
    expect(plan.points.payloadUpdates).toBeGreaterThan(0)
    expect(plan.chunks.reused).toBeGreaterThan(0)
  })

  test('of another chunk size, for the documents that are still to come', async () => {
    await using app = await PlannedApplication.start()
    await app.write(three)
    await app.run()
    await app.write({ a: three.a })

    const [same, other] = [await app.plan(), await app.plan({ max: 400 })]

    expect(same).toMatchObject({ documents: { unchanged: 1 }, embeddings: { texts: 0 } })
    expect(other).toEqual(await app.run({ max: 400 }))
    expect(other.embeddings.texts).toBeGreaterThan(0)
  })

  test.each([{ max: 400 }, { dimensions: 16 }])('of another pipeline after a reset: %j', async (choice) => {
    await using app = await PlannedApplication.start()
    await app.write(three)
    await app.run()
    await app.write({ a: null, b: three.b })

    const plan = await app.plan({ ...choice, afterReset: true })

    await app.reset()
    expect(plan).toEqual(await app.run(choice))
    expect(plan.points.deletes).toBeGreaterThan(0)
  })

  test('of several versions of a document after a crash, of which only the last one counts', async () => {
    await using app = await PlannedApplication.start()
    await app.write(three)
    await app.run({ crash: true })
    for (const subject of ['ants', 'axes', 'arches']) await app.write({ a: document(subject, 10) })

    const plan = await app.plan()

    expect(plan).toEqual(await app.run())
    expect(plan).toMatchObject({ records: 3, documents: { changed: 1 } })
  })

  test('of several versions of a document otherwise, when each of them has its own run', async () => {
    await using app = await PlannedApplication.start()
    await app.write(three)
    await app.run()
    const versions = ['ants', 'axes', 'arches'].map((subject) => ({ a: document(subject, 10) }))
    for (const version of versions) await app.write(version)
    const plan = await app.plan()

    await using other = await PlannedApplication.start()
    await other.write(three)
    await other.run()
    const runs: Plan[] = []
    for (const version of versions) {
      await other.write(version)
      runs.push(await other.run())
    }

    const sum = (count: (plan: Plan) => number) => runs.reduce((total, run) => total + count(run), 0)
    expect(plan.embeddings.texts).toBe(sum(({ embeddings }) => embeddings.texts))
    expect(plan.points.deletes).toBe(sum(({ points }) => points.deletes))
    expect(plan.documents.changed).toBe(3)
  })

  test('of nothing, when everything is indexed', async () => {
    await using app = await PlannedApplication.start()
    await app.write(three)
    await app.run()

    const plan = await app.plan()

    expect(plan).toMatchObject({ records: 0, embeddings: { texts: 0, tokens: 0 }, points: { upserts: 0, deletes: 0 } })
  })
})

describe('a plan', () => {
  test('writes nothing: not to the log, not to the index, not to its group, and leaves no copy behind', async () => {
    await using app = await PlannedApplication.start()
    await using folder = await temporaryDirectory()
    vi.stubEnv('TMPDIR', folder.path)
    await app.write(three)
    await app.run()
    await app.write({ a: null, d: document('dust', 5) })
    const refused = vi.fn(() => Promise.reject(new Error('a plan may not do that')))
    const broker = overlaid<Broker>(app.log, { producer: refused, join: refused, createTopics: refused })
    const points = [...app.index.points]

    const plan = await app.plan({ broker })

    vi.unstubAllEnvs()
    expect(plan).toMatchObject({ records: 2, documents: { new: 1, deleted: 1 } })
    expect(refused).not.toHaveBeenCalled()
    expect([...app.index.points]).toEqual(points)
    expect(await readdir(folder.path)).toEqual([])
  })

  test('says when a topic is missing, as a run would', async () => {
    await using app = await PlannedApplication.start()
    await app.log.admin.deleteTopics(['documents'])

    await expect(app.plan()).rejects.toMatchObject({ code: 'TOPIC_MISSING' })
  })
})

describe('the command', () => {
  const topology = (path: string) => `application: app
source: { topic: documents, format: file }
model: { hash: { dimensions: 8 } }
index: { sqlite: { path: ${path} } }
`

  /** A pipeline file, and an embedded log with two documents. */
  async function given() {
    const folder = await temporaryDirectory()
    const file = join(folder.path, 'millrace.yaml')
    const directory = join(folder.path, 'log')
    await writeFile(file, topology(join(folder.path, 'points.db')))
    const log = embeddedBroker({ directory })
    await log.open()
    await log.createTopics([{ topic: 'documents', partitions: 1 }])
    const value = (path: string) => JSON.stringify({ path, text: `About ${path}.` })
    const place = { topic: 'documents', partition: 0 }
    await send(log, [logRecord(place, 'a', value('apples')), logRecord(place, 'b', value('bees'))])
    return { folder, file, directory, log, [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose]() }
  }

  test('prints the counts, and estimates where rates are given', async () => {
    await using there = await given()
    await there.log.close()
    const rates = ['--texts-per-second', '0.5', '--tokens-per-second', '100', '--price-per-million-tokens', '250']

    const { stdout } = await millraceHere(['plan', there.file, '--log', there.directory, ...rates])
    const { stdout: json } = await millraceHere(['plan', there.file, '--log', there.directory, '--json'])

    expect(stdout.split('\n')).toEqual([
      'records:     2',
      'documents:   2 new, 0 changed, 0 with new metadata only, 0 unchanged, 0 deleted',
      'chunks:      2 cut, 0 of them in the index as they are',
      'embeddings:  2 texts (2 different), 24 characters, 4 tokens',
      'points:      2 upserts, 0 payload updates, 0 deletes',
      'time:        about 4 s',
      'price:       about 0.0010',
      '',
    ])
    expect(JSON.parse(json)).toEqual({
      records: 2,
      documents: { new: 2, changed: 0, metadataOnly: 0, unchanged: 0, deleted: 0 },
      chunks: { cut: 2, reused: 0 },
      embeddings: { texts: 2, distinct: 2, characters: 24, tokens: 4 },
      points: { upserts: 2, payloadUpdates: 0, deletes: 0 },
      failures: {},
    })
    expect((await readdir(there.folder.path)).toSorted()).toEqual(['log', 'millrace.yaml'])
  })

  test('says of a topology without an index that it writes none, instead of zeros', async () => {
    await using folder = await temporaryDirectory()
    const log = embeddedBroker({ directory: folder.path })
    await log.open()
    await log.createTopics(['lines', 'word-counts'].map((topic) => ({ topic, partitions: 1 })))
    await send(log, [logRecord({ topic: 'lines', partition: 0 }, 'a', 'one two')])
    await log.close()

    const { stdout } = await millraceHere(['plan', 'examples/word-count.ts', '--log', folder.path])

    expect(stdout).toBe('records:  3\nindex:    none is written by this topology\n')
  })

  test('says in one sentence that a running instance has the log', async () => {
    await using there = await given()

    const { stderr, code } = await millraceHere(['plan', there.file, '--log', there.directory])

    await there.log.close()
    expect(stderr).toMatch(/^STATE_LOCKED: .+\. Stop the other process, or choose another directory\.\n$/)
    expect(code).toBe(1)
  })

  test.each(['0', '-1', 'fast'])('refuses the rate %s', async (rate) => {
    const { stderr, code } = await millraceHere(['plan', 'millrace.yaml', '--texts-per-second', rate])

    expect(stderr).toContain('It must be a number above 0.')
    expect(code).toBe(2)
  })
})

describe('estimates', () => {
  const plan = (tokens: number | null) => ({ embeddings: { texts: 10, distinct: 5, characters: 100, tokens } }) as Plan

  test('follow the slower of two rates, and need tokens where they go by them', () => {
    expect(estimatesOf(plan(40), {})).toEqual({})
    expect(estimatesOf(plan(40), { textsPerSecond: 5, tokensPerSecond: 4 })).toEqual({ seconds: 10 })
    expect(estimatesOf(plan(null), { textsPerSecond: 5, tokensPerSecond: 4 })).toEqual({ seconds: 2 })
    expect(estimatesOf(plan(null), { tokensPerSecond: 4, pricePerMillionTokens: 1 })).toEqual({
      seconds: null,
      price: null,
    })
  })
})
