import { describe, expect, test } from 'vitest'
import { change, payload, point, remove, setPayload, unitVector, upsert } from '../../support/points.ts'
import { isSkip, type OpenIndex, refOf } from './harness.ts'

/** Upserts, payload updates and deletes, and what one bad record does to others. */
export function writingFeatures(subject: OpenIndex): void {
  describe('writing', () => {
    test('an acknowledged point is there with the payload as it was given', async () => {
      const metadata = { tags: ['a', 'b'], nested: { deep: [1, { x: null }] }, flag: false, 'a key': 'ünïcode 🙂' }
      const given = point('guide/intro.md', 'line one\r\n\tline "two" \\ \u2028 \u0001 日本語', {
        metadata,
        heading: 'A > B',
      })

      await subject.write('guide/intro.md', upsert(given))

      expect(await subject.dump()).toEqual(new Map([[given.id, { ...refOf(given), payload: given.payload }]]))
    })

    test('the same record written twice changes nothing', async () => {
      const points = [point('a', 'one'), point('a', 'two')]

      await subject.write('a', upsert(...points))
      const once = await subject.dump()
      await subject.write('a', upsert(...points))

      expect(await subject.dump()).toEqual(once)
    })

    test('an upsert replaces vector and payload of its id', async () => {
      const before = point('a', 'text', { metadata: { version: 1, gone: true } })
      const after = {
        ...before,
        vector: unitVector('elsewhere'),
        payload: payload('a', 'text', { metadata: { version: 2 } }),
      }

      await subject.write('a', upsert(before))
      await subject.write('a', upsert(after))

      expect([...(await subject.dump()).values()].map((stored) => stored.payload)).toEqual([after.payload])
      const [hit] = await subject.index.search({ text: '', vector: unitVector('elsewhere') }, { mode: 'vector' })
      expect(hit?.score).toBeCloseTo(1, 4)
    })

    test('set-payload replaces the payload and leaves the vector', async () => {
      const before = point('a', 'text', { metadata: { version: 1, gone: true } })
      const changed = payload('a', 'text, *marked up*', { metadata: { version: 2 }, at: 2_000 })

      await subject.write('a', upsert(before))
      await subject.write('a', setPayload(before, changed))

      const [hit] = await subject.index.search({ text: '', vector: before.vector }, { mode: 'vector' })
      expect(hit).toMatchObject({ id: before.id, payload: changed })
      expect(hit?.payload.metadata).not.toHaveProperty('gone')
      expect(hit?.score).toBeCloseTo(1, 4)
    })

    test('set-payload of a point that is not there asks for another look at the index and creates nothing', async () => {
      const missing = point('a', 'never written')

      const refused = subject.write('a', setPayload(missing, missing.payload))

      await expect(refused).rejects.toMatchObject({ code: 'INDEX_DRIFTED', reaction: 'retry' })
      expect(await subject.dump()).toEqual(new Map())
    })

    test('deleting takes exactly the named points; missing ones do not matter', async () => {
      const [kept, gone] = [point('a', 'kept'), point('a', 'gone')]

      await subject.write('a', upsert(kept, gone))
      await subject.write('a', remove(gone, point('a', 'never written')))

      expect(await subject.contents()).toEqual(['kept'])
    })

    test('operations of one record are applied in their order', async () => {
      const [first, second] = [point('a', 'first'), point('a', 'second')]

      await subject.write('a', upsert(first, second), remove(first))
      await subject.write('a', remove(second), upsert(second))

      expect(await subject.contents()).toEqual(['second'])
    })

    test('a document of many points is written whole', async () => {
      const points = Array.from({ length: 700 }, (_, i) => point('large', `part ${i}`))

      await subject.write('large', upsert(...points))

      expect((await subject.dump()).size).toBe(700)
    })

    test('a record without operations is done at once and costs no request', async () => {
      const before = subject.index.stats.writeRequests

      await subject.write('a')
      await subject.write('a', upsert(), remove())

      expect(subject.index.stats.writeRequests).toBe(before)
    })

    test('flush sends what waits', async () => {
      const written = subject.write('a', upsert(point('a', 'text')))

      subject.writer.flush()
      await written

      expect(await subject.contents()).toEqual(['text'])
    })

    test('a write whose time is up is given up', async () => {
      const given = subject.writer.write(
        change('a', upsert(point('a', 'text'))),
        AbortSignal.abort(new Error('too late')),
      )

      await expect(given).rejects.toThrow('too late')
    })

    test.each([
      ['chunks', { chunks: [] }],
      ['points without an operation', [{ id: 'x' }]],
      ['a text', 'text'],
    ])('a topology that hands on %s instead of operations is told for good', async (_what, value) => {
      const write = subject.writer.write({ ...change('a'), value: value as never }, AbortSignal.timeout(5_000))

      await expect(write).rejects.toMatchObject({ code: 'CONFIG_INVALID', reaction: 'fatal' })
    })
  })

  describe('poison', () => {
    test.each([
      ['another dimension', Float32Array.of(1, 0)],
      ['not a number', Float32Array.of(Number.NaN, 0, 0, 0, 0, 0, 0, 0)],
      ['infinity', Float32Array.of(Number.POSITIVE_INFINITY, 0, 0, 0, 0, 0, 0, 0)],
    ])('a vector with %s is refused alone, its neighbours are written', async (_what, vector) => {
      const keys = Array.from({ length: 40 }, (_, i) => `doc-${i}`)
      const poison = 'doc-17'

      const results = await Promise.allSettled(
        keys.map((key) => subject.write(key, upsert(point(key, key, key === poison ? { vector } : {})))),
      )

      const refused = results.flatMap((result, i) => (result.status === 'rejected' ? [[keys[i], result.reason]] : []))
      expect(refused).toEqual([[poison, expect.toSatisfy(isSkip)]])
      expect(await subject.contents()).toEqual(keys.filter((key) => key !== poison).sort())
    })

    test('a payload update of a missing point is refused alone, its neighbours are written', async () => {
      const keys = Array.from({ length: 40 }, (_, i) => `doc-${i}`)
      const poison = 'doc-17'

      const results = await Promise.allSettled(
        keys.map((key) =>
          key === poison
            ? subject.write(key, setPayload(point(key, key), payload(key, key)))
            : subject.write(key, upsert(point(key, key))),
        ),
      )

      expect(results.flatMap(({ status }, i) => (status === 'rejected' ? [keys[i]] : []))).toEqual([poison])
      expect(await subject.contents()).toEqual(keys.filter((key) => key !== poison).sort())
    })
  })
}
