import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { afterEach, describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { hash } from '../../src/embed/hash.ts'
import { StreamError } from '../../src/errors.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import { mapValues } from '../../src/operators/map-values.ts'
import { repartition } from '../../src/operators/repartition.ts'
import { headerText } from '../../src/record.ts'
import { bytes, string } from '../../src/serde.ts'
import { RuntimeTracing } from '../../src/serve/runtime-tracing.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../src/topology/processor.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { closeEngines, engineWith } from '../support/engines.ts'
import { FakeDevice } from '../support/fake-device.ts'
import { plainTopologyTo } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { RecordedSpans } from '../support/spans.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

afterEach(closeEngines)

const documents = kafka({ topic: 'documents', key: string, value: string })
const results = kafkaTopic({ topic: 'results', key: string, value: string })
const internal = (topic: string) => kafka({ topic, key: bytes, value: bytes })

/** What a producer in another process has put into the headers. */
const caller = { traceId: '0af7651916cd43dd8448eb211c80319c', spanId: 'b7ad6b7169203331' }
const headers = [{ key: 'traceparent', value: Buffer.from(`00-${caller.traceId}-${caller.spanId}-01`) }]

/** A topology with two sub-topologies, each with state. */
function repartitioned(): Topology {
  const builder = new TopologyBuilder()
  builder
    .stream('in', documents)
    .process(dedupe('seen'))
    .process(repartition('again', { key: string, value: string }))
    .process(dedupe('counted'))
    .to('out', results)
  return builder.build()
}

/** Documents to an index in a file; the embedder runs batches on a fake device. */
function indexed(path: string, device: FakeDevice): Topology {
  const { engine } = engineWith([device])
  const embedder: Embedder = Object.create(hash({ dimensions: 2 }), { embed: { value: engine.embed.bind(engine) } })
  const index = sqliteIndex({ path })
  const builder = new TopologyBuilder()
  builder
    .stream('in', documents)
    .process(chunk('chunks', { text: (text) => text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', embedder))
    .to('index', index)
  return builder.build()
}

const started = (topology: Topology) =>
  TopologyTestDriver.start(topology, { application: 'app', tracer: new RuntimeTracing({ application: 'app' }) })

const idOf = (span: ReadableSpan) => span.spanContext().spanId
const linkedTo = ({ links }: ReadableSpan) => links.map(({ context }) => context.spanId)

describe('a record', () => {
  test('is traced from the span of its producer through a repartition topic to the topic where it ends', async () => {
    using spans = new RecordedSpans()
    await using driver = await started(repartitioned())

    await driver.pipe(documents, { key: 'a', value: 'one', headers })

    const again = 'app-again-repartition'
    const path = ['process documents', `send ${again}`, `process ${again}`, 'send results'].map((name) =>
      spans.one(name),
    )
    expect(path.map(({ parentSpanContext }) => parentSpanContext?.spanId)).toEqual([
      caller.spanId,
      ...path.slice(0, -1).map(idOf),
    ])
    expect(new Set(path.map((span) => span.spanContext().traceId))).toEqual(new Set([caller.traceId]))
    const [result] = await driver.read(results)
    expect(headerText(result?.headers ?? [], 'traceparent')).toBe(`00-${caller.traceId}-${path.map(idOf).at(-1)}-01`)
    expect(result?.headers).toHaveLength(1)
  })

  test('has the names and attributes of the conventions for messaging', async () => {
    using spans = new RecordedSpans()
    await using driver = await started(repartitioned())

    await driver.pipe(documents, { key: 'a', value: 'one' })

    const received = spans.one('receive documents')
    const processed = spans.one('process documents')
    const sent = spans.one('send results')
    expect([received, processed, sent].map(({ kind }) => kind)).toEqual([
      SpanKind.CLIENT,
      SpanKind.CONSUMER,
      SpanKind.PRODUCER,
    ])
    expect(received.attributes).toMatchObject({
      'messaging.operation.type': 'receive',
      'messaging.batch.message_count': 1,
    })
    expect(processed.attributes).toEqual({
      'messaging.system': 'kafka',
      'messaging.consumer.group.name': 'app',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'documents',
      'messaging.destination.partition.id': '0',
      'messaging.kafka.offset': 0,
      'messaging.kafka.message.key': 'a',
      'millrace.task': '0_0',
    })
    expect(linkedTo(processed)).toEqual([idOf(received)])
    expect(sent.attributes).toMatchObject({
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'results',
    })
  })

  test('forgets the batches of records that never begin, and links nothing to the wrong one', () => {
    using spans = new RecordedSpans()
    const tracing = new RuntimeTracing({ application: 'app' })
    const place = { topic: 'documents', partition: 0 }
    const received = Array.from({ length: 101 }, (_, at) => {
      tracing.received({ ...place, records: 1, next: at + 1 })
      return spans.named('receive documents').at(-1)
    })
    const begin = (offset: number) =>
      tracing.begin({ task: '0_0', source: { ...place, offset }, key: null, value: null, headers: [] }).end()

    begin(0)
    begin(1)

    const [forgotten, remembered] = spans.named('process documents')
    if (!forgotten || !remembered || !received[1]) throw new Error('two records')
    expect(linkedTo(forgotten)).toEqual([])
    expect(linkedTo(remembered)).toEqual([idOf(received[1])])
  })

  test('leaves no trace in a changelog', async () => {
    using spans = new RecordedSpans()
    await using driver = await started(repartitioned())

    await driver.pipe(documents, { key: 'a', value: 'one', headers })

    const changes = await driver.read(internal('app-seen-changelog'))
    expect(changes).toHaveLength(1)
    expect(changes.flatMap((change) => change.headers.map(({ key }) => key))).not.toContain('traceparent')
    expect(spans.all.map(({ name }) => name)).not.toContain('send app-seen-changelog')
  })

  test('that is given up ends its span with the code of the error', async () => {
    using spans = new RecordedSpans()
    const sink = new RecordingSink({
      write: async () => {
        throw new StreamError('INDEX_REJECTED', 'the script says so')
      },
    })
    await using driver = await started(plainTopologyTo(sink))

    await driver.pipe(kafka({ topic: 'in', key: string, value: string }), { key: 'a', value: 'poison' })

    for (const span of [spans.one('process in'), spans.one('write recording')]) {
      expect(span.status.code).toBe(SpanStatusCode.ERROR)
      expect(span.attributes['error.type']).toBe('INDEX_REJECTED')
    }
  })

  test('is the parent of what others trace while a node works for it', async () => {
    using spans = new RecordedSpans()
    const builder = new TopologyBuilder()
    builder
      .stream('in', documents)
      .process(
        mapValues<string, string, string>('own', (value) => {
          trace.getTracer('somebody').startSpan('lookup').end()
          return value
        }),
      )
      .to('out', results)
    await using driver = await started(builder.build())

    await driver.pipe(documents, { key: 'a', value: 'one' })

    expect(spans.one('lookup').parentSpanContext?.spanId).toBe(idOf(spans.one('process documents')))
  })
})

test('a record that waits behind another of its key is followed by itself', async () => {
  using spans = new RecordedSpans()
  const looksUp: ProcessorSupplier<string, string, string, string> = {
    name: 'own',
    operator: 'own',
    order: 'key',
    create: () => ({
      process: async (record, context) => {
        await Promise.resolve()
        trace.getTracer('somebody').startSpan('lookup').end()
        context.forward(record)
      },
    }),
  }
  const builder = new TopologyBuilder()
  builder.stream('in', documents).process(looksUp).to('out', results)
  await using driver = await started(builder.build())

  await driver.pipe(documents, { key: 'a', value: 'one' }, { key: 'a', value: 'two' })

  const parents = spans.named('lookup').map(({ parentSpanContext }) => parentSpanContext?.spanId)
  expect(parents.toSorted()).toEqual(spans.named('process documents').map(idOf).toSorted())
})

describe('a document', () => {
  test('is linked to the batch of the model that it shares with others, and traced into the index', async () => {
    using spans = new RecordedSpans()
    await using folder = await temporaryDirectory()
    await using driver = await started(indexed(`${folder.path}/index.sqlite`, new FakeDevice({ automatic: true })))

    await driver.pipe(documents, { key: 'a', value: 'Mills grind.' }, { key: 'b', value: 'Rivers carry.' })

    const records = spans.named('process documents')
    expect(records).toHaveLength(2)
    const batch = spans.one('embed vectors')
    expect(linkedTo(batch).toSorted()).toEqual(records.map(idOf).toSorted())
    expect(batch.parentSpanContext).toBeUndefined()
    expect(batch.attributes).toMatchObject({
      ...{ 'millrace.node': 'vectors', 'millrace.batch.texts': 2, 'millrace.batch.reason': 'idle_device' },
    })
    const writes = spans.all.filter(({ attributes }) => attributes['db.operation.name'] === 'write')
    expect(writes.map(({ kind }) => kind)).toEqual([SpanKind.CLIENT, SpanKind.CLIENT])
    expect(writes.map(({ parentSpanContext }) => parentSpanContext?.spanId).toSorted()).toEqual(
      records.map(idOf).toSorted(),
    )
  })

  test('whose embedding is tried again says so', async () => {
    using spans = new RecordedSpans()
    await using folder = await temporaryDirectory()
    const device = new FakeDevice({ automatic: true })
    await using driver = await started(indexed(`${folder.path}/index.sqlite`, device))
    device.run = async () => {
      Reflect.deleteProperty(device, 'run')
      device.isUsable = false
      throw new StreamError('EMBED_FAILED', 'the device died')
    }

    const piped = driver.pipe(documents, { key: 'a', value: 'Mills grind.' })
    let isDone = false
    void piped.then(() => {
      isDone = true
    })
    while (!isDone) await driver.tick(100)

    expect(spans.one('process documents').events).toMatchObject([
      { name: 'retry', attributes: { 'millrace.node': 'vectors', 'error.type': 'EMBED_FAILED' } },
    ])
    expect(spans.named('embed vectors').map(({ status }) => status.code)).toEqual([
      SpanStatusCode.ERROR,
      SpanStatusCode.UNSET,
    ])
  })
})

test('without an SDK records pass with the headers that they came with', async () => {
  await using driver = await started(repartitioned())

  await driver.pipe(documents, { key: 'a', value: 'one', headers })

  expect((await driver.read(results)).map((record) => record.headers)).toEqual([headers])
})
