import { createRequire } from 'node:module'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { loadKafkaJs } from '../../../src/connectors/kafka/compat.ts'
import type {
  DecodedBatch,
  Decoder,
  EncodedRecord,
  FetchedRecord,
  RecordToEncode,
} from '../../../src/connectors/kafka/internals.ts'
import { endingAtLastOffset } from '../../../src/connectors/kafka/record-format.ts'

const require = createRequire(import.meta.url)

interface BatchFields {
  readonly records: readonly EncodedRecord[]
  readonly firstOffset?: number
  readonly lastOffsetDelta: number
  readonly firstTimestamp: number
  readonly maxTimestamp: number
  readonly compression?: number
}

let encodeRecord: (record: RecordToEncode) => EncodedRecord
let encodeBatch: (fields: BatchFields) => Promise<{ readonly buffer: Buffer }>
let decodeBatch: (decoder: Decoder) => Promise<DecodedBatch>
let KafkaDecoder: new (bytes: Buffer) => Decoder

beforeAll(() => {
  loadKafkaJs()
  encodeRecord = require('kafkajs/src/protocol/recordBatch/record/v0')
  encodeBatch = require('kafkajs/src/protocol/recordBatch/v0').RecordBatch
  decodeBatch = require('kafkajs/src/protocol/recordBatch/v0/decoder')
  KafkaDecoder = require('kafkajs/src/protocol/decoder')
})

async function roundTrip(
  records: readonly RecordToEncode[],
  fields: Partial<BatchFields> = {},
): Promise<FetchedRecord[]> {
  const batch = await encodeBatch({
    records: records.map((record, offsetDelta) => encodeRecord({ offsetDelta, ...record })),
    lastOffsetDelta: records.length - 1,
    firstTimestamp: 1_000,
    maxTimestamp: 1_000,
    ...fields,
  })
  const decoded = await decodeBatch(new KafkaDecoder(batch.buffer))
  return decoded.records
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array))
const header = fc.record({ key: fc.string({ unit: 'grapheme' }), value: fc.option(bytes) })

describe('records on the wire', () => {
  test('come back as they went, whatever their headers', async () => {
    const record = fc.record({
      key: fc.option(bytes),
      value: fc.option(bytes),
      headers: fc.array(header, { maxLength: 5 }),
      timestampDelta: fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
    })

    await fc.assert(
      fc.asyncProperty(fc.array(record, { minLength: 1, maxLength: 5 }), async (records) => {
        const decoded = await roundTrip(records)

        expect(decoded.map(({ key, value, headerList }) => ({ key, value, headers: headerList }))).toEqual(
          records.map(({ key, value, headers }) => ({ key, value, headers })),
        )
        expect(decoded.map(({ timestamp }) => Number(timestamp) - 1_000)).toEqual(
          records.map(({ timestampDelta }) => timestampDelta),
        )
      }),
      { numRuns: 200 },
    )
  })

  test('keep the order of headers whose keys repeat, and headers without a value', async () => {
    const headers = [
      { key: 'b', value: Buffer.from('1') },
      { key: 'a', value: null },
      { key: 'constructor', value: Buffer.from('2') },
      { key: 'b', value: Buffer.from('3') },
      { key: '7', value: Buffer.alloc(0) },
    ]

    const [decoded] = await roundTrip([{ key: null, value: null, headers }])

    expect(decoded?.headerList).toEqual(headers)
  })

  test('of other users of KafkaJS are encoded as before, from a map of headers', async () => {
    const headers = { a: 'text', b: [Buffer.from('1'), '2'] }

    const [decoded] = await roundTrip([{ key: Buffer.from('k'), value: null, headers }])

    expect(decoded).toMatchObject({ headers: { a: Buffer.from('text'), b: [Buffer.from('1'), Buffer.from('2')] } })
  })

  test.each(['GZIP', 'ZSTD'] as const)('can be compressed with %s', async (codec) => {
    const { CompressionTypes } = loadKafkaJs()
    const record = { key: null, value: Buffer.alloc(5_000, 'text'), headers: [] }

    const decoded = await roundTrip([record, record], { compression: CompressionTypes[codec] })

    expect(decoded.map(({ value }) => value)).toEqual([record.value, record.value])
  })

  test.each(['Snappy', 'LZ4'] as const)('compressed with %s are refused by name', async (codec) => {
    const { CompressionTypes } = loadKafkaJs()

    const sent = roundTrip([{ key: null, value: null, headers: [] }], { compression: CompressionTypes[codec] })

    await expect(sent).rejects.toThrow(new RegExp(`${codec} compression`, 'i'))
  })
})

describe('a batch that compaction has shortened', () => {
  const batchOf = (offsets: readonly number[]) =>
    endingAtLastOffset(async () => {
      const context = { firstOffset: '100', lastOffsetDelta: 9, producerId: '1', inTransaction: false }
      const records = offsets.map((offset) => ({
        offset: String(offset),
        timestamp: '0',
        key: null,
        value: null,
        isControlRecord: false,
        batchContext: context,
        headerList: [],
      }))
      return { ...context, records }
    })

  test.each([
    { left: [], ends: '109' },
    { left: [100, 103], ends: '109' },
    { left: [105, 109], ends: '109' },
  ])('still ends at its last offset when $left are left', async ({ left, ends }) => {
    const batch = await batchOf(left)(new KafkaDecoder(Buffer.alloc(0)))

    expect(batch.records.at(-1)?.offset).toBe(ends)
    expect(batch.records.filter(({ isControlRecord }) => !isControlRecord).map(({ offset }) => Number(offset))).toEqual(
      left,
    )
  })
})
