import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type TapStart, tapStart } from '../../src/cli/tap/positions.ts'
import { type TapOptions, type TappedRecord, tapRecords } from '../../src/cli/tap/records.ts'
import { recordText, shownRecord as shownWith } from '../../src/cli/tap/tapped-record.ts'
import { type TappedTopic, topicNamed, topicsOf } from '../../src/cli/tap/tapped-topic.ts'
import { type Clock, ManualClock } from '../../src/clock.ts'
import { parseSettings } from '../../src/config.ts'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { StreamError } from '../../src/errors.ts'
import { count } from '../../src/operators/aggregation/count.ts'
import { tumbling } from '../../src/operators/aggregation/windows.ts'
import { filter } from '../../src/operators/filter.ts'
import { repartition } from '../../src/operators/repartition.ts'
import { plainData } from '../../src/plain-data.ts'
import { noHeaders } from '../../src/record.ts'
import { errorHeaders } from '../../src/runtime/dead-letters/dead-letter.ts'
import { json, msgpack, type Serde, string } from '../../src/serde.ts'
import { orDeleted, type VersionRow, versionRow } from '../../src/state/versioned-layout.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { timeWindowed, windowKey } from '../../src/windowed.ts'
import { documentFolder } from '../support/document-folder.ts'
import { settled } from '../support/instance.ts'
import { logRecord } from '../support/log-records.ts'

const View = z.object({ page: z.string() })

function viewTopology() {
  const builder = new TopologyBuilder()
  builder
    .stream('views', kafka({ topic: 'views', key: string, value: json(View) }))
    .process(filter('published', ({ page }) => page !== ''))
    .process(repartition('by-page', { key: string, value: json(View) }))
    .process(count('counts', { window: tumbling({ sizeMs: 1_000 }) }))
    .to('totals', kafkaTopic({ topic: 'totals', key: timeWindowed(string, 1_000), value: msgpack<number>() }))
  return builder.build()
}

const topics = topicsOf(viewTopology(), parseSettings({ application: 'app' }))
const still = new AbortController().signal
const shownRecord = (record: TappedRecord, topic: TappedTopic) => shownWith(record, topic, still)
const named = (name: string) => topicNamed(name, topics)

describe('the name of a tap', () => {
  test.each([
    ['views', 'source', 'views'],
    ['totals', 'sink', 'totals'],
    ['by-page', 'repartition', 'app-by-page-repartition'],
    ['app-by-page-repartition', 'repartition', 'app-by-page-repartition'],
    ['counts', 'changelog', 'app-counts-changelog'],
    ['dead-letter', 'dead-letter', 'app-dead-letter'],
  ])('%s stands for a topic of kind %s', (name, kind, topic) => {
    expect(named(name)).toMatchObject({ kind, topic })
  })

  test('that is of no topic is refused with those that there are', () => {
    expect(() => named('published')).toThrow(
      'USAGE: no topic is that of "published": what passes inside of the process is in none. ' +
        'There are views (source), by-page (repartition), totals (sink), counts (changelog), dead-letter (dead-letter).',
    )
    expect(() => named('vews')).toThrow('Did you mean views?')
  })
})

describe('a tapped record', () => {
  const place = { topic: 'views', partition: 0 }
  const record = (key: Uint8Array | null, value: Uint8Array | null, headers = noHeaders) => {
    return { ...place, record: { offset: 7, timestamp: 1_000, key, value, headers } }
  }
  const page = Buffer.from('{"page":"a","other":1}')

  test('is decoded by the serdes of its topic, and keeps its headers', async () => {
    const headers = [{ key: 'trace', value: Buffer.from('1-2') }]

    expect(await shownRecord(record(Buffer.from('a'), page, headers), named('views'))).toEqual({
      ...place,
      offset: 7,
      time: '1970-01-01T00:00:01.000Z',
      key: 'a',
      value: { page: 'a' },
      headers: [{ key: 'trace', value: '1-2' }],
    })
  })

  test('of the changelog of a versioned table says until when a version held, and which is a deletion', async () => {
    const builder = new TopologyBuilder()
    builder.table('prices', kafka({ topic: 'prices', key: string, value: msgpack<number>() }), { historyMs: 1_000 })
    const changelog = topicNamed(
      'app-prices-changelog',
      topicsOf(builder.build(), parseSettings({ application: 'app' })),
    )
    const held = orDeleted(msgpack<number>())
    const shown = (row: VersionRow, value: number | null) =>
      shownRecord(record(versionRow(row), held.serialize(value)), changelog)
    const key = Buffer.from('a')

    expect(await shown({ key }, null)).toMatchObject({ key: { key: 'a' }, value: null })
    expect(await shown({ key, untilMs: 20 }, 3)).toMatchObject({ key: { key: 'a', untilMs: 20 }, value: 3 })
  })

  test('of the changelog of a windowed store has its window in its key', async () => {
    const key = windowKey(string.serialize('a'), 5_000)

    const shown = await shownRecord(record(key, msgpack<number>().serialize(3)), named('counts'))

    expect(shown).toMatchObject({ key: { key: 'a', startMs: 5_000 }, value: 3 })
  })

  test('in the dead-letter topic is read as a record of the topic that it came from', async () => {
    const error = new StreamError('RECORD_FAILED', 'the script says so')
    const letter = (topic: string) =>
      record(Buffer.from('a'), page, errorHeaders(error, { ...place, topic, offset: 1 }, ''))

    expect((await shownRecord(letter('views'), named('dead-letter'))).value).toEqual({ page: 'a' })
    expect((await shownRecord(letter('unknown'), named('dead-letter'))).value).toBe('{"page":"a","other":1}')
  })

  test('that the serde cannot read is shown as it is, with the reason', async () => {
    const shown = await shownRecord(record(Buffer.from([0xff, 0]), Buffer.from('{"page":1}')), named('views'))

    expect(shown).toMatchObject({ key: '0xff00', value: '{"page":1}' })
    expect(shown.problems).toEqual([
      expect.stringContaining('serde string cannot read the bytes'),
      expect.stringContaining('page'),
    ])
  })

  test('of a global table is read by the serdes of its topic', async () => {
    const builder = new TopologyBuilder()
    builder.stream('in', kafka({ topic: 'in', key: string, value: string }))
    builder.globalTable('pages', kafka({ topic: 'all-pages', key: string, value: json(View) }))
    const found = topicNamed('pages', topicsOf(builder.build(), parseSettings({ application: 'app' })))

    const shown = await shownRecord(record(page, Buffer.from('{"page":"p"}')), found)

    expect(found).toMatchObject({ kind: 'source', topic: 'all-pages' })
    expect(shown).toMatchObject({ value: { page: 'p' } })
  })

  test('waits for what its serde has to get first', async () => {
    const known = new Set<string>()
    const late: Serde<string> = {
      ...string,
      prepare: async (bytes) => void known.add(Buffer.from(bytes).toString()),
      deserialize: (bytes) => (known.has(Buffer.from(bytes).toString()) ? 'prepared' : 'too early'),
    }
    const builder = new TopologyBuilder()
    builder
      .stream('in', kafka({ topic: 'in', key: late, value: late }))
      .to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
    const [source] = topicsOf(builder.build(), parseSettings({ application: 'app' }))

    const shown = source && (await shownRecord(record(page, page), source))

    expect(shown).toMatchObject({ key: 'prepared', value: 'prepared' })
  })

  test('is a line of text for people, without anything that a terminal would obey', async () => {
    const hostile = await shownRecord(record(Buffer.from('a\u001b[2J'), null), named('views'))
    const long = await shownRecord(record(null, Buffer.from(JSON.stringify({ page: 'x'.repeat(200) }))), named('views'))

    expect(recordText(hostile, 80)).toBe('0@7  1970-01-01T00:00:01.000Z  a\\u{1b}[2J  (deleted)\n')
    expect(recordText(long, 80)).toMatch(/^0@7 .* {2}\(no key\) {2}\{"page":"x+ \.\.\.\n$/)
  })
})

test('values that JSON does not know are written as data that it does', () => {
  const value = {
    bytes: Uint8Array.of(1, 255),
    vector: Float32Array.of(0.5),
    big: 2n ** 60n,
    at: new Date(0),
    map: new Map([['a', 1]]),
  }

  expect(JSON.parse(JSON.stringify(plainData(value)))).toEqual({
    bytes: '0x01ff',
    vector: [0.5],
    big: '1152921504606846976',
    at: '1970-01-01T00:00:00.000Z',
    map: [['a', 1]],
  })
})

describe('where a tap begins', () => {
  /** Two partitions: ten records of a second each in the first, one in the other. */
  async function log(clock: Clock = new ManualClock()) {
    const broker = embeddedBroker({ clock })
    await broker.open()
    await broker.createTopics([{ topic: 'views', partitions: 2 }])
    await write(
      broker,
      ...Array.from({ length: 10 }, (_, at) => ({ partition: 0, key: `${at}`, timestamp: at * 1_000 })),
    )
    await write(broker, { partition: 1, key: 'other', timestamp: 4_500 })
    return broker
  }
  async function write(
    broker: ReturnType<typeof embeddedBroker>,
    ...records: { partition: number; key: string; timestamp: number }[]
  ) {
    const producer = await broker.producer()
    await producer.send(
      records.map(({ partition, key, timestamp }) => logRecord({ topic: 'views', partition }, key, '', timestamp)),
    )
    await producer.close()
  }
  const ended: Omit<TapOptions, 'start'> = {
    follow: false,
    signal: new AbortController().signal,
    clock: new ManualClock(),
  }
  async function keysFrom(start: TapStart, options: Partial<TapOptions> = {}) {
    await using broker = await log()
    const keys: string[] = []
    for await (const { record } of tapRecords(broker, 'views', { ...ended, start, ...options }))
      keys.push(Buffer.from(record.key ?? []).toString())
    return keys
  }

  test.each<[string, TapStart]>([
    ['end', { kind: 'end' }],
    ['beginning', { kind: 'beginning' }],
    ['17', { kind: 'offset', offset: 17 }],
    ['2026-01-31T12:00:00Z', { kind: 'time', timeMs: Date.UTC(2026, 0, 31, 12) }],
    ['2026-01-31', { kind: 'time', timeMs: Date.UTC(2026, 0, 31) }],
  ])('may be said as %s', (text, start) => {
    expect(tapStart(text)).toEqual(start)
  })

  test.each(['', 'yesterday', '-1', '2026-99-01'])('may not be said as "%s"', (text) => {
    expect(() => tapStart(text)).toThrow('It must be end, beginning')
  })

  test('is the first record of that time or later, in each partition', async () => {
    expect(await keysFrom({ kind: 'time', timeMs: 7_001 })).toEqual(['8', '9'])
    expect(await keysFrom({ kind: 'time', timeMs: 4_000 })).toEqual(['4', '5', '6', '7', '8', '9', 'other'])
    expect(await keysFrom({ kind: 'time', timeMs: 99_000 })).toEqual([])
  })

  test('is an offset of one partition', async () => {
    expect(await keysFrom({ kind: 'offset', offset: 8 }, { partition: 0 })).toEqual(['8', '9'])
    await expect(keysFrom({ kind: 'offset', offset: 8 })).rejects.toThrow('views-1 has no offset 8')
    await expect(keysFrom({ kind: 'beginning' }, { partition: 2 })).rejects.toThrow('partitions 0 to 1')
  })

  test('is the end where nothing is said, and what comes then follows until somebody stops it', async () => {
    const clock = new ManualClock()
    await using broker = await log(clock)
    const stop = new AbortController()
    const keys: string[] = []
    const tapping = (async () => {
      const options: TapOptions = { start: { kind: 'end' }, follow: true, signal: stop.signal, clock }
      for await (const { record } of tapRecords(broker, 'views', options))
        keys.push(Buffer.from(record.key ?? []).toString())
    })()
    await settled()

    await write(broker, { partition: 1, key: 'new', timestamp: 0 })
    clock.advance(300)
    await settled()
    stop.abort()
    await tapping

    expect(keys).toEqual(['new'])
  })
})

describe('tap of the folder of an index', { timeout: 60_000 }, () => {
  test('shows documents and manifests, filtered by key, and ends', async () => {
    await using folder = await documentFolder({ 'docs/a.md': 'A.', 'docs/b.md': 'B.' })
    await folder.index('docs')

    const documents = await folder.run('tap', 'data', 'documents', '--json', '--key', 'b.md')
    const manifests = await folder.run('tap', 'data', 'changes', '--limit', '1')
    const wrong = await folder.run('tap', 'data', 'chunks')
    const unfilled = await folder.run('tap', 'docs', 'documents')

    expect(JSON.parse(documents.stdout)).toMatchObject({ key: 'b.md', value: { path: 'b.md', text: 'B.' } })
    expect(manifests).toMatchObject({ code: 0, stdout: expect.stringMatching(/^0@\d+ {2}\S+ {2}a\.md {2}\S/) })
    expect(unfilled.stderr).toMatch(/^INDEX_MISSING: there is no index in docs\. Name a pipeline or topology file, or /)
    expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('no topic is that of "chunks"') })
  })
})
