import { describe, expect, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { type Logger, silentLogger } from '../../../src/logger.ts'
import { noHeaders } from '../../../src/record.ts'
import type { LogRecord } from '../../../src/runtime/broker.ts'
import { type GlobalRowsOptions, globalRows } from '../../../src/runtime/copies/global-rows.ts'
import { msgpack, type Serde, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { GlobalTableSpec } from '../../../src/topology/topology.ts'

const stored = msgpack<string>()

/** Text in the topic, MessagePack in the store. */
function tableOf(value: Serde<string> = string): GlobalTableSpec {
  const builder = new TopologyBuilder()
  builder.globalTable('countries', kafka({ topic: 'rows', key: string, value }), { key: stored, value: stored })
  builder.stream('in', kafka({ topic: 'in', key: string, value: string }))
  const table = builder.build().globalTables.get('countries')
  if (!table) throw new Error('there is no such table')
  return table
}

const record = (key: string | null, value: string | null, offset = 0): LogRecord => ({
  offset,
  timestamp: 5,
  key: key === null ? null : Buffer.from(key),
  value: value === null ? null : Buffer.from(value),
  headers: noHeaders,
})

function options(overrides: Partial<GlobalRowsOptions> = {}) {
  const dropped: string[] = []
  const warnings: unknown[] = []
  const logger: Logger = { ...silentLogger, warn: (facts: unknown) => warnings.push(facts) }
  const observer = { globalDropped: (table: string, reason: string) => dropped.push(`${table}: ${reason}`) }
  const rest = { onUndecodable: 'dead-letter', signal: new AbortController().signal } as const
  const place = { topic: 'rows', partition: 2 }
  return { dropped, warnings, all: { table: tableOf(), place, logger, observer, ...rest, ...overrides } }
}

/** Cannot read `?`. */
const picky: Serde<string> = {
  ...string,
  deserialize: (bytes) => {
    if (Buffer.from(bytes).toString() === '?') throw new Error('it is a question mark')
    return string.deserialize(bytes)
  },
}

describe('the rows of a global table', () => {
  test('are as the store has them, with the times of their records; a null value stays one', async () => {
    const rows = await globalRows([record('ch', 'Bern'), record('fr', null)], options().all)

    expect(rows).toEqual([
      { key: stored.serialize('ch'), value: stored.serialize('Bern'), timestamp: 5 },
      { key: stored.serialize('fr'), value: null, timestamp: 5 },
    ])
  })

  test('lack records without a key, and such as cannot be read: all are counted, and a line tells of the latter', async () => {
    const { all, dropped, warnings } = options({ table: tableOf(picky) })

    const rows = await globalRows([record(null, 'x'), record('a', '?'), record('b', '?'), record('c', 'Bern')], all)

    expect(rows.map(({ key }) => stored.deserialize(key))).toEqual(['c'])
    expect(dropped).toEqual(['countries: null_key', 'countries: undecodable', 'countries: undecodable'])
    expect(warnings).toEqual([{ table: 'countries', topic: 'rows', partition: 2, records: 2 }])
  })

  test('end with the first record that cannot be read, where that is to fail', async () => {
    const { all, dropped } = options({ table: tableOf(picky), onUndecodable: 'fail' })

    await expect(globalRows([record('a', 'x'), record('b', '?', 17)], all)).rejects.toMatchObject({
      code: 'RECORD_UNDECODABLE',
      fact: 'the record at rows-2 offset 17 is no row of global table "countries": it is a question mark',
      details: { topic: 'rows', partition: 2, offset: 17 },
    })
    expect(dropped).toEqual([])
  })

  test('wait for what a serde needs before it can read', async () => {
    const schemas = Promise.withResolvers<void>()
    let isKnown = false
    const late: Serde<string> = {
      ...string,
      prepare: async () => {
        await schemas.promise
        isKnown = true
      },
      deserialize: (bytes) => (isKnown ? string.deserialize(bytes) : expect.fail('it was read too early')),
    }

    const rows = globalRows([record('ch', 'Bern')], options({ table: tableOf(late) }).all)
    schemas.resolve()

    expect((await rows).map(({ key }) => stored.deserialize(key))).toEqual(['ch'])
  })
})
