import { describe, expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { holds } from '../support/command-line.ts'
import { type DocumentFolder, documentFolder } from '../support/document-folder.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { contents, readAll } from '../support/log-records.ts'

const brokers = kafkaBrokers.join(',')

async function produce(folder: DocumentFolder, source: string, topic: string) {
  const result = await folder.run('produce', source, '--topic', topic, '--brokers', brokers, '--partitions', '1')
  return { ...result, summary: JSON.parse(result.stdout || '{}') as Readonly<Record<string, unknown>> }
}

/** `[key, text]` of each record of partition 0; the text of a tombstone is null. */
async function documentsIn(broker: Broker, topic: string): Promise<(string | null)[][]> {
  const records = contents(await readAll(broker, { topic, partition: 0 }))
  return records.map(([, key, value]) => [key, value && JSON.parse(value).text])
}

describe.skipIf(kafkaBrokers.length === 0)('produce', () => {
  test('writes tombstones for the files that were deleted since its last run, under any spelling of the folder', async () => {
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    await using folder = await documentFolder({ 'docs/a.md': 'A.', 'docs/b.md': 'B.' })
    const topic = `produce-deleted-${Date.now()}`
    await produce(folder, 'docs', topic)
    await folder.remove('docs/a.md')
    await folder.put('docs/c.md', 'C.')

    const second = await produce(folder, './docs/', topic)
    const third = await produce(folder, 'docs', topic)

    expect(second.summary).toEqual({ topic, written: 2, documents: 1, unchanged: 1, deleted: 1, skipped: 0 })
    expect(third.summary).toMatchObject({ written: 0, unchanged: 2 })
    expect(await documentsIn(broker, topic)).toEqual([
      ['a.md', 'A.'],
      ['b.md', 'B.'],
      ['c.md', 'C.'],
      ['a.md', null],
    ])
  })

  test('names a file that the topic does not take, in every run, and writes the others', async () => {
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const large = 'x'.repeat(2 * 1024 * 1024)
    await using folder = await documentFolder({ 'docs/a.md': 'A.', 'docs/large.md': large, 'docs/z.md': 'Z.' })
    const topic = `produce-large-${Date.now()}`

    const runs = [await produce(folder, 'docs', topic), await produce(folder, 'docs', topic)]

    for (const { code, stderr, summary } of runs) {
      expect(stderr).toMatch(/^skipped large\.md: .* refuses a record: /m)
      expect(summary).toMatchObject({ skipped: 1 })
      expect(code).toBe(0)
    }
    const keys = (await documentsIn(broker, topic)).map(([key]) => key)
    expect([...new Set(keys)]).toEqual(['a.md', 'z.md'])
  })

  test('keeps a cursor that is larger than what Kafka takes by default', async () => {
    const names = Array.from({ length: 8_000 }, (_, number) => `docs/${`${number}-`.repeat(20)}.md`)
    await using folder = await documentFolder(Object.fromEntries(names.map((name) => [name, 'Text.'])))
    const topic = `produce-many-${Date.now()}`

    const first = await produce(folder, 'docs', topic)
    const second = await produce(folder, 'docs', topic)

    expect(first.summary).toMatchObject({ written: names.length })
    expect(second.summary).toMatchObject({ written: 0, unchanged: names.length })
  })

  test('writes what `tap` then follows, which joins no group', async () => {
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const topic = `produce-tapped-${Date.now()}`
    await using folder = await documentFolder({ 'docs/a.md': 'A.', 'program.ts': programReading(topic) })
    await produce(folder, 'docs', topic)
    const tap = (...more: string[]) =>
      folder.start('tap', 'program.ts', 'documents', '--brokers', brokers, '--json', ...more)

    const all = await tap('--from', 'beginning', '--no-follow').result
    const following = tap('--limit', '1')
    let version = 0
    await holds(async () => {
      await folder.put('docs/b.md', `Version ${version++}.`)
      await produce(folder, 'docs', topic)
      return following.child.exitCode !== null
    })
    const followed = await following.result

    expect(JSON.parse(all.stdout)).toMatchObject({ topic, partition: 0, offset: 0, key: 'a.md', value: { text: 'A.' } })
    expect(JSON.parse(followed.stdout)).toMatchObject({
      key: 'b.md',
      value: { text: expect.stringMatching(/^Version/) },
    })
    expect(followed.code).toBe(0)
    expect(await broker.committedTopics('program')).toEqual([])
  })
})

/** A program that would copy the topic. */
const programReading = (topic: string) => `
import { FileDocument, json, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'

const builder = new TopologyBuilder()
builder
  .stream('documents', kafka({ topic: '${topic}', key: string, value: json(FileDocument) }))
  .to('copies', kafkaTopic({ topic: '${topic}-copies', key: string, value: json(FileDocument) }))
export default builder.build()
`
