import { expect, it } from 'vitest'
import { StreamError } from '../../../src/errors.ts'
import { change, payload, point, remove, setPayload, upsert } from '../../support/points.ts'
import { openBench, pointsIn, send } from './harness.ts'

const named = (i: number) => point(`doc-${i}`, `text ${i}`)
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

it.each([408, 502, 503, 504, 507])('an answer %i is waited out', async (status) => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status }, { times: 3 })

  const written = bench.write('a', upsert(point('a', 'text')))
  for (const attempt of [1, 2, 3]) bench.clock.advance((await bench.pause(attempt)).delayMs + 1)
  await written

  expect(bench.batches().length).toBe(4)
  expect(bench.size()).toBe(1)
})

it('pauses grow, at most to 30 seconds', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 503 }, { times: 40 })

  const written = bench.write('a', upsert(point('a', 'text')))
  const delays: number[] = []
  for (let attempt = 1; attempt <= 40; attempt++) {
    const { delayMs } = await bench.pause(attempt)
    delays.push(delayMs)
    bench.clock.advance(30_000)
  }
  await written

  expect(delays[0]).toBeLessThanOrEqual(100)
  expect(delays[1]).toBeLessThanOrEqual(200)
  expect(Math.max(...delays)).toBeLessThanOrEqual(30_000)
  expect(Math.max(...delays.slice(10))).toBeGreaterThan(3_000)
})

it('waits at least as long as Retry-After says', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 429, headers: { 'retry-after': '30' } })

  const written = bench.write('a', upsert(point('a', 'text')))
  const { delayMs } = await bench.pause(1)
  bench.clock.advance(29_999)
  const early = bench.batches().length
  bench.clock.advance(1)
  await written

  expect(delayMs).toBe(30_000)
  expect([early, bench.batches().length]).toEqual([1, 2])
})

it('a 429 without Retry-After may be for ever: the request is halved', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 429 })

  await bench.write('a', upsert(...Array.from({ length: 10 }, (_, i) => named(i))))

  expect(bench.batches().map(pointsIn)).toEqual([10, 5, 5])
  expect(bench.size()).toBe(10)
})

it('a 429 without Retry-After for a single point is waited out', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 429 })

  const written = bench.write('a', upsert(point('a', 'text')))
  bench.clock.advance((await bench.pause(1)).delayMs + 1)
  await written

  expect(bench.size()).toBe(1)
})

it.each(['before', 'after'] as const)('one broken connection %s the change is repeated at once', async (when) => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'reset', when })

  await bench.write('a', upsert(point('a', 'text')))

  expect(bench.batches().length).toBe(2)
  expect(bench.size()).toBe(1)
})

it('connections that go on breaking are waited out', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'reset', when: 'before' }, { times: 2 })

  const written = bench.write('a', upsert(point('a', 'text')))
  const { error } = await bench.pause(1)
  const early = bench.batches().length
  bench.clock.advance(30_000)
  await written

  expect(early).toBe(2)
  expect(error).toContain('INDEX_UNREACHABLE')
  expect(bench.size()).toBe(1)
})

it('a server that is gone is waited for', async () => {
  await using bench = await openBench()
  const abort = new AbortController()
  await bench.double.close()

  const refused = rejection(bench.writer.write(change('a', upsert(point('a', 'text'))), abort.signal))
  for (const attempt of [1, 2, 3]) {
    await bench.pause(attempt)
    bench.clock.advance(30_000)
  }
  abort.abort(new Error('given up'))

  expect(await refused).toMatchObject({ message: 'given up' })
})

it('a request without an answer is repeated', async () => {
  await using bench = await openBench({ index: { requestTimeoutMs: 1_000 } })
  bench.double.faults.add({ kind: 'hold' })

  const written = bench.write('a', upsert(point('a', 'text')))
  await expect.poll(() => bench.batches().length).toBe(1)
  bench.clock.advance(1_000)
  const { error } = await bench.pause(1)
  bench.clock.advance(100)
  await written

  expect(error).toContain('no answer within 1 s')
  expect(bench.batches().length).toBe(2)
})

it.each(['acknowledged', 'wait-timeout'] as const)('%s is no success: the same batch is sent again', async (kind) => {
  await using bench = await openBench()
  bench.double.faults.add({ kind })

  const written = bench.write('a', upsert(point('a', 'text')))
  await bench.pause(1)
  const early = bench.size()
  bench.clock.advance(100)
  await written

  const [first, second] = bench.batches()
  expect(early).toBe(0)
  expect(second?.body).toBe(first?.body)
  expect(bench.size()).toBe(1)
})

it('a batch that was applied in part is applied again, as a whole', async () => {
  await using bench = await openBench()
  const old = point('a', 'old')
  await bench.write('a', upsert(old))
  bench.double.faults.add({ kind: 'partial', operations: 1 })

  const written = bench.write('a', upsert(point('a', 'new')), remove(old))
  await bench.pause(1)
  const halfway = bench.size()
  bench.clock.advance(100)
  await written

  expect([halfway, bench.size()]).toEqual([2, 1])
})

it('finds the one document that the server refuses, in few requests, and writes all others', async () => {
  await using bench = await openBench()
  // Half of a surrogate pair is a fine string here, and no text to the server.
  const poison = point('doc-137', 'broken \ud83d')
  const points = Array.from({ length: 256 }, (_, i) => (i === 137 ? poison : named(i)))

  const outcomes = await Promise.all(points.map((each, i) => rejection(bench.write(`doc-${i}`, upsert(each)))))

  const refused = outcomes.flatMap((error, i) => (error === undefined ? [] : [i]))
  expect(refused).toEqual([137])
  expect(outcomes[137]).toMatchObject({ code: 'INDEX_REJECTED', reaction: 'skip', details: { point: poison.id } })
  expect(bench.batches().length).toBeLessThanOrEqual(17)
  expect(bench.size()).toBe(255)
})

it('two refused documents are both found', async () => {
  await using bench = await openBench()
  const points = Array.from({ length: 20 }, (_, i) => ([3, 4].includes(i) ? point(`doc-${i}`, '\udfff') : named(i)))

  const outcomes = await Promise.all(points.map((each, i) => rejection(bench.write(`doc-${i}`, upsert(each)))))

  expect(outcomes.flatMap((error, i) => (error === undefined ? [] : [i]))).toEqual([3, 4])
  expect(bench.size()).toBe(18)
})

it('a payload update of a missing point is tried again, after a look at what the index holds', async () => {
  await using bench = await openBench()
  const [there, missing] = [point('a', 'there'), point('b', 'missing')]
  await bench.write('a', upsert(there))

  const [accepted, refused] = await Promise.all([
    rejection(bench.write('a', setPayload(there, payload('a', 'there', { at: 2 })))),
    rejection(bench.write('b', setPayload(missing, missing.payload))),
  ])

  expect(accepted).toBeUndefined()
  expect(refused).toMatchObject({ code: 'INDEX_DRIFTED', reaction: 'retry', details: { point: missing.id } })
})

it('a key without write access stops everything, and is not named', async () => {
  await using bench = await openBench({
    double: { apiKey: 'write-key', readOnlyKey: 'read-key' },
    index: { apiKey: 'read-key' },
    prepare: async (double) => {
      await send(double, 'PUT', '/collections/c', { vectors: { size: 8, distance: 'Cosine' } })
      for (const [field_name, field_schema] of [
        ['_millrace.doc', 'keyword'],
        ['_millrace.partition', 'integer'],
      ]) {
        await send(double, 'PUT', '/collections/c/index', { field_name, field_schema })
      }
    },
  })

  const error = await rejection(bench.write('a', upsert(point('a', 'text'))))

  expect(error).toMatchObject({ code: 'INDEX_DENIED', reaction: 'fatal' })
  expect(`${error} ${JSON.stringify(error)}`).not.toContain('read-key')
})

it('a collection that vanishes stops everything', async () => {
  await using bench = await openBench()
  await send(bench.double, 'DELETE', '/collections/c')

  const errors = await Promise.all([
    rejection(bench.write('a', upsert(point('a', 'text')))),
    rejection(bench.write('b', upsert(point('b', 'text')))),
    rejection(bench.index.observe(['a'])),
  ])

  for (const error of errors) expect(error).toMatchObject({ code: 'INDEX_MISMATCH', reaction: 'fatal' })
})

it('a collection that was replaced by one of another dimension stops everything: no document is to blame', async () => {
  await using bench = await openBench()
  await send(bench.double, 'DELETE', '/collections/c')
  await send(bench.double, 'PUT', '/collections/c', { vectors: { size: 4, distance: 'Cosine' } })

  const error = await rejection(bench.write('a', upsert(point('a', 'text'))))

  expect(error).toMatchObject({ code: 'INDEX_MISMATCH' })
})

it('a collection that is full is waited for: no document is to blame', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 400, error: 'Max points count limit of 5 reached!' })

  const written = bench.write('a', upsert(point('a', 'text')))
  const { error } = await bench.pause(1)
  bench.clock.advance(100)
  await written

  expect(error).toContain('INDEX_FULL')
})

it('a write that is given up in a pause is not sent again, and holds up nobody', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 503 }, { times: 100 })
  const abort = new AbortController()

  const refused = rejection(bench.writer.write(change('a', upsert(point('a', 'text'))), abort.signal))
  await bench.pause(1)
  abort.abort(new Error('too late'))
  const error = await refused
  bench.double.faults.clear()
  await bench.write('b', upsert(point('b', 'text')))

  expect(error).toMatchObject({ message: 'too late' })
  expect(bench.batches().length).toBe(2)
  expect([...(await bench.index.observe(['a', 'b'])).keys()]).toEqual(['b'])
})

it('closing ends a pause', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 503 }, { times: 100 })

  const refused = rejection(bench.write('a', upsert(point('a', 'text'))))
  await bench.pause(1)
  await bench.index.close()

  expect(await refused).toBeInstanceOf(StreamError)
  expect(await refused).toMatchObject({ code: 'INDEX_CLOSED' })
})

it('closing keeps what is on its way and sends nothing more', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'hold' })

  const first = bench.write('a', upsert(point('a', 'text')))
  await expect.poll(() => bench.batches().length).toBe(1)
  const second = rejection(bench.write('b', upsert(point('b', 'text'))))
  const closed = bench.index.close()
  bench.double.faults.release()
  await closed

  await expect(first).resolves.toBeUndefined()
  expect(await second).toMatchObject({ code: 'INDEX_CLOSED' })
  expect(bench.size()).toBe(1)
})

it('closing waits for an answer, but not for ever', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'hold' })

  const refused = rejection(bench.write('a', upsert(point('a', 'text'))))
  await expect.poll(() => bench.batches().length).toBe(1)
  const closed = bench.index.close()
  bench.clock.advance(5_000)
  await closed

  expect(await refused).toMatchObject({ code: 'INDEX_CLOSED' })
})
