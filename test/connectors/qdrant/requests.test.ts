import { expect, it } from 'vitest'
import { payload, point, remove, setPayload, upsert } from '../../support/points.ts'
import type { QdrantDouble } from '../../support/qdrant-double.ts'
import { openBench, pointsIn, send } from './harness.ts'

const strictCollection = (limits: object) => (double: QdrantDouble) =>
  send(double, 'PUT', '/collections/c', {
    vectors: { size: 8, distance: 'Cosine' },
    strict_mode_config: { enabled: true, ...limits },
  })

it('sends every change as a batch that waits until it is applied', async () => {
  await using bench = await openBench()
  const before = bench.double.requests.length

  const given = point('a', 'text')
  await bench.write('a', upsert(given))
  await bench.write('a', setPayload(given, payload('a', 'text', { at: 2 })))
  await bench.write('a', remove(given))

  const requests = bench.double.requests.slice(before).map(({ method, path }) => `${method} ${path}`)
  expect(requests).toEqual(Array(3).fill('POST /collections/c/points/batch?wait=true&ordering=medium'))
})

it('upserts before it sets payloads, and deletes last', async () => {
  await using bench = await openBench()
  const [old, kept, added] = [point('a', 'old'), point('a', 'kept'), point('a', 'added')]
  await bench.write('a', upsert(old, kept))

  await bench.write('a', remove(old), setPayload(kept, payload('a', 'kept', { at: 2 })), upsert(added))

  const operations = bench
    .batches()
    .at(-1)
    ?.operations.map((operation) => Object.keys(operation))
  expect(operations).toEqual([['upsert'], ['set_payload'], ['delete']])
})

it('deletes nothing of a large record before all of its new points are there', async () => {
  await using bench = await openBench({ index: { maxRequestPoints: 100 } })
  const [old, fresh] = ['old', 'new'].map((age) => Array.from({ length: 250 }, (_, i) => point('a', `${age} ${i}`)))
  await bench.write('a', upsert(...(old ?? [])))

  await bench.write('a', remove(...(old ?? [])), upsert(...(fresh ?? [])))

  const kinds = bench.batches().map(({ operations }) => operations.map((operation) => Object.keys(operation)[0]).join())
  expect(kinds.slice(3)).toEqual(['upsert', 'upsert', 'upsert,delete', 'delete', 'delete'])
})

it('points that get the same payload share one operation', async () => {
  await using bench = await openBench()
  const points = [point('a', 'one'), point('a', 'two'), point('a', 'three')]
  const [shared, own] = [payload('a', 'shared'), payload('a', 'own')]
  const [one, two, three] = points
  await bench.write('a', upsert(...points))

  await bench.write('a', ...points.map((each) => setPayload(each, each === two ? own : shared)))

  const operations = bench
    .batches()
    .at(-1)
    ?.operations.map((operation) => operation.set_payload)
  expect(operations).toEqual([
    { payload: shared, points: [one?.id, three?.id] },
    { payload: own, points: [two?.id] },
  ])
})

it('a record that touches a point more than once sends what remains of it', async () => {
  await using bench = await openBench()
  const [first, second] = [point('a', 'first'), point('a', 'second')]
  const changed = payload('a', 'first', { at: 2 })

  await bench.write('a', upsert(first, second), setPayload(first, changed), remove(second))

  expect(bench.batches().map(({ operations }) => operations.map((each) => Object.keys(each)[0]))).toEqual([
    ['upsert', 'delete'],
  ])
  expect((await bench.stored()).map(({ payload }) => payload)).toEqual([changed])
})

it('has one request on its way; meanwhile the next one collects', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'hold' })

  const first = bench.write('a', upsert(point('a', 'text')))
  await expect.poll(() => bench.batches().length).toBe(1)
  const rest = Array.from({ length: 20 }, (_, i) => bench.write(`doc-${i}`, upsert(point(`doc-${i}`, 'text'))))
  bench.writer.flush()
  const early = bench.batches().length
  bench.double.faults.release()
  await Promise.all([first, ...rest])

  expect(early).toBe(1)
  expect(bench.batches().map(pointsIn)).toEqual([1, 20])
})

it('two versions of a point are never in one request', async () => {
  await using bench = await openBench()
  const given = point('a', 'text')

  await Promise.all([
    bench.write('a', upsert(given)),
    bench.write('a', remove(given)),
    bench.write('a', upsert({ ...given, payload: payload('a', 'text', { at: 3 }) })),
  ])

  expect(bench.batches().length).toBe(3)
  expect((await bench.stored()).map(({ payload }) => payload._millrace.at)).toEqual([3])
})

it('a request has at most 256 points', async () => {
  await using bench = await openBench()
  const points = Array.from({ length: 600 }, (_, i) => point('a', `text ${i}`))

  await bench.write('a', upsert(...points))

  expect(bench.index.stats.writeRequests).toBe(3)
  expect(Math.max(...bench.batches().map(pointsIn))).toBeLessThanOrEqual(256)
  expect(bench.size()).toBe(600)
})

it('a request has at most 2 MiB', async () => {
  await using bench = await openBench()
  // Two bytes each in UTF-8.
  const filling = 'ä'.repeat(150_000)
  const points = Array.from({ length: 20 }, (_, i) => point('a', `${i} ${filling}`))

  await bench.write('a', upsert(...points))

  expect(Math.max(...bench.batches().map(({ bytes }) => bytes))).toBeLessThanOrEqual(2 * 1024 * 1024)
  expect(bench.batches().length).toBe(4)
})

it('a point that no request can hold is refused unsent', async () => {
  await using bench = await openBench()

  const written = bench.write('a', upsert(point('a', 'x'.repeat(33 * 1024 * 1024))))

  await expect(written).rejects.toMatchObject({ code: 'INDEX_REJECTED' })
  expect(bench.batches()).toEqual([])
})

it('metadata that is no JSON is refused unsent', async () => {
  await using bench = await openBench()
  const given = point('a', 'text')
  const metadata = { ...given.payload.metadata, count: 1n }

  const written = bench.write('a', upsert({ ...given, payload: { ...given.payload, metadata } }))

  await expect(written).rejects.toMatchObject({ code: 'INDEX_REJECTED' })
  expect(bench.batches()).toEqual([])
})

it('setting the payload of a point that the same record deletes is refused', async () => {
  await using bench = await openBench()
  const given = point('a', 'text')
  await bench.write('a', upsert(given))

  const written = bench.write('a', remove(given), setPayload(given, given.payload))

  await expect(written).rejects.toMatchObject({ code: 'INDEX_REJECTED' })
})

it.each(['not an id', '42', '550E8400-E29B-41D4-A716-446655440000', '550e8400e29b41d4a716446655440000'])(
  'the id %j is refused: it could name a point that has another spelling',
  async (id) => {
    await using bench = await openBench()

    const written = bench.write('a', upsert({ ...point('a', 'text'), id }))

    await expect(written).rejects.toMatchObject({ code: 'INDEX_REJECTED' })
  },
)

it('keeps to the batch size of strict mode', async () => {
  await using bench = await openBench({ prepare: strictCollection({ upsert_max_batchsize: 10 }) })

  await bench.write('a', upsert(...Array.from({ length: 25 }, (_, i) => point('a', `text ${i}`))))

  expect(bench.batches().map(pointsIn)).toEqual([10, 10, 5])
})

it('asks for no more in a request than the rate limit of strict mode can grant', async () => {
  await using bench = await openBench({ prepare: strictCollection({ write_rate_limit: 100 }) })

  const written = bench.write('a', upsert(...Array.from({ length: 150 }, (_, i) => point('a', `text ${i}`))))
  const { delayMs } = await bench.pause(1)
  await bench.index.close()

  await expect(written).rejects.toMatchObject({ code: 'INDEX_CLOSED' })
  expect(pointsIn(bench.batches()[0] ?? { operations: [] })).toBe(100)
  expect(delayMs).toBeGreaterThan(0)
})

it('keeps to the page size and the filter size of strict mode', async () => {
  await using bench = await openBench({
    prepare: strictCollection({ max_query_limit: 7, condition_max_size: 3 }),
  })
  const keys = Array.from({ length: 10 }, (_, i) => `doc-${i}`)
  for (const key of keys) await bench.write(key, upsert(point(key, 'one'), point(key, 'two')))

  const seen = await bench.index.observe(keys)
  const all = await bench.stored()

  expect([...seen.values()].map(({ length }) => length)).toEqual(Array(10).fill(2))
  expect(all.length).toBe(20)
})

it('reads ask for what every acknowledged write has reached', async () => {
  await using bench = await openBench()

  await bench.index.observe(['a'])

  expect(bench.double.count(/points\/scroll\?consistency=majority/)).toBe(1)
})

it('points that others wrote are no points of documents', async () => {
  await using bench = await openBench()
  await send(bench.double, 'PUT', '/collections/c/points?wait=true', {
    points: [{ id: 1, vector: [1, 0, 0, 0, 0, 0, 0, 0], payload: { title: 'foreign' } }],
  })
  await bench.write('a', upsert(point('a', 'text')))

  const scanned = await bench.stored()

  expect(scanned.map(({ doc }) => doc)).toEqual(['a'])
})

it('stores text and metadata under other keys when asked to', async () => {
  await using bench = await openBench({ index: { contentKey: 'page_content', metadataKey: 'meta' } })
  const given = point('a', 'text', { metadata: { tag: 'x' } })

  await bench.write('a', upsert(given))

  const [stored] = await bench.stored()
  const [raw] = bench.double.database.require('c').points()
  expect(stored?.payload).toEqual(given.payload)
  expect([...(raw?.payload.keys() ?? [])]).toEqual(['page_content', 'meta', '_millrace'])
})
