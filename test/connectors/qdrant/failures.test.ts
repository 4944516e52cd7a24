import { expect, it } from 'vitest'
import { change, point, upsert } from '../../support/points.ts'
import { type Bench, openBench, pointsIn } from './harness.ts'

const named = (i: number) => point(`doc-${i}`, `text ${i}`)
const rejection = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => undefined,
    (error: unknown) => error,
  )

/** Lets time pass until the promise is settled. */
async function untilSettled<T>(bench: Bench, promise: Promise<T>, stepMs = 1_000): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => {
    isSettled = true
  })
  settled.catch(() => undefined)
  while (!isSettled) {
    await new Promise((resolve) => setTimeout(resolve, 5))
    bench.clock.advance(stepMs)
  }
  return settled
}

it('a server that fails for a while is waited out, and no document is to blame', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 500 }, { times: 10 })
  const points = Array.from({ length: 8 }, (_, i) => named(i))

  const writes = points.map((each, i) => rejection(bench.write(`doc-${i}`, upsert(each))))
  const outcomes = await untilSettled(bench, Promise.all(writes))

  expect(outcomes.every((error) => error === undefined)).toBe(true)
  expect(
    bench
      .batches()
      .filter((batch) => pointsIn(batch) > 0)
      .map(pointsIn),
  ).not.toContain(1)
  expect(bench.size()).toBe(8)
})

it('a point over which the server fails holds up no other, and is rejected when its time is over', async () => {
  await using bench = await openBench({ index: { failureDeadlineMs: 60_000 } })
  const poison = named(137)
  bench.double.faults.add({ kind: 'status', status: 500 }, { times: 1e6, body: poison.id })
  const points = Array.from({ length: 256 }, (_, i) => named(i))

  const writes = points.map((each, i) => rejection(bench.write(`doc-${i}`, upsert(each))))
  await untilSettled(bench, Promise.all(writes.filter((_, i) => i !== 137)))
  const requests = bench.batches().length
  const size = bench.size()
  await bench.write('later', upsert(point('later', 'text')))
  const startedAt = bench.clock.now()
  const error = await untilSettled(bench, writes[137] ?? Promise.resolve())

  expect(size).toBe(255)
  expect(requests).toBeLessThanOrEqual(30)
  expect(error).toMatchObject({ code: 'INDEX_REJECTED', reaction: 'skip', details: { point: poison.id, status: 500 } })
  expect(bench.clock.now() - startedAt).toBeGreaterThan(30_000)
})

it('a point over which the server failed is written when it does so no more', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 500 }, { times: 12, body: named(2).id })

  const writes = [1, 2, 3].map((i) => bench.write(`doc-${i}`, upsert(named(i))))
  await untilSettled(bench, Promise.all(writes))

  expect(bench.double.faults.left).toBe(0)
  expect(bench.size()).toBe(3)
})

it('a point over which the server fails is not rejected while it fails over everything', async () => {
  await using bench = await openBench({ index: { failureDeadlineMs: 10_000 } })
  bench.double.faults.add({ kind: 'status', status: 500 }, { times: 1e6, body: named(1).id })
  const written = rejection(bench.write('doc-1', upsert(named(1))))
  await untilSettled(bench, bench.write('doc-2', upsert(named(2))))

  bench.double.faults.clear()
  bench.double.faults.add({ kind: 'status', status: 500 }, { times: 12 })
  const outcome = await untilSettled(bench, written)

  expect(outcome).toBeUndefined()
  expect(bench.size()).toBe(2)
})

it('closing ends the attempts for a point over which the server fails', async () => {
  await using bench = await openBench()
  bench.double.faults.add({ kind: 'status', status: 500 }, { times: 1e6, body: named(1).id })
  const written = rejection(bench.write('doc-1', upsert(named(1))))
  await untilSettled(bench, bench.write('doc-2', upsert(named(2))))

  await bench.index.close()

  expect(await written).toMatchObject({ code: 'INDEX_CLOSED' })
})

it('nothing is sent while the lease is not held, repetitions included, and the rest follows when it is', async () => {
  await using bench = await openBench()
  const lease = { held: true }
  const writer = bench.index.writer('0_1', lease)
  const write = (i: number) => writer.write(change(`doc-${i}`, upsert(named(i))), new AbortController().signal)
  bench.double.faults.add({ kind: 'status', status: 503 }, { times: 1 })

  // given: a first attempt that fails, and then a long silence of the group
  const first = write(1)
  await bench.pause(1)
  lease.held = false
  const second = write(2)
  bench.clock.advance(60_000)
  await bench.pause(2)
  const duringSilence = bench.batches().length

  lease.held = true
  await untilSettled(bench, Promise.all([first, second]))

  expect(duringSilence).toBe(1)
  expect(await bench.size()).toBe(2)
})
