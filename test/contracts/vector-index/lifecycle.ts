import { describe, expect, test } from 'vitest'
import { change, payload, point, remove, setPayload, testDimensions, upsert } from '../../support/points.ts'
import { never, type OpenIndex } from './harness.ts'

/** Opening, sharing, counting and closing. */
export function lifecycleFeatures(subject: OpenIndex): void {
  describe('lifecycle', () => {
    test('what was acknowledged is there for the next client', async () => {
      await subject.write('a', upsert(point('a', 'text')))
      await subject.index.close()

      const next = await subject.open()

      expect([...(await subject.dump(next)).values()].map((stored) => stored.payload.content)).toEqual(['text'])
    })

    test('another dimension is refused and nothing is changed', async () => {
      await subject.write('a', upsert(point('a', 'text')))
      await subject.index.close()

      const refused = subject.open({ id: 'pipeline-b', dimensions: testDimensions * 2 })

      await expect(refused).rejects.toMatchObject({ code: 'INDEX_MISMATCH' })
      expect((await subject.dump(await subject.open())).size).toBe(1)
    })

    test('another pipeline may open it: old points stay until they are replaced', async () => {
      await subject.write('a', upsert(point('a', 'text')))
      await subject.index.close()

      const next = await subject.open({ id: 'pipeline-b', dimensions: testDimensions })

      expect([...(await subject.dump(next)).values()].map((stored) => stored.pipeline)).toEqual(['pipeline-a'])
    })

    test('a look says what is there, and changes nothing', async () => {
      await subject.write('a', upsert(point('a', 'text')))
      await subject.index.close()

      const report = await subject.client().inspect?.({ dimensions: testDimensions })
      const unasked = await subject.client().inspect?.({ dimensions: undefined })

      expect(report).toEqual({ exists: true, missing: [], pipelines: ['pipeline-a'] })
      expect(unasked).toEqual(report)
      await expect(subject.client().inspect?.({ dimensions: testDimensions * 2 })).rejects.toMatchObject({
        code: 'INDEX_MISMATCH',
      })
      expect((await subject.dump(await subject.open())).size).toBe(1)
    })

    test('a reader of it sees what is there, and cannot write', async () => {
      await subject.write('a', upsert(point('a', 'text')))
      const reader = subject.client().reader?.()
      if (!reader) throw new Error('it has no reader')

      await reader.open({ id: 'pipeline-b', dimensions: testDimensions })

      expect([...(await reader.observe(['a', 'b'])).keys()]).toEqual(['a'])
      expect([...(await subject.dump(reader)).values()].map((stored) => stored.payload.content)).toEqual(['text'])
      expect(() => reader.writer('0_0')).toThrow('for reading only')
      await reader.close()
    })

    test('writers of several tasks write side by side', async () => {
      const writers = (['0_0', '0_1', '0_2', '0_3'] as const).map((task) => subject.index.writer(task))

      await Promise.all(
        writers.flatMap((each, partition) =>
          Array.from({ length: 25 }, (_, i) => {
            const key = `doc-${partition}-${i}`
            return each.write(change(key, upsert(point(key, key, { partition }))), never)
          }),
        ),
      )

      expect((await subject.dump()).size).toBe(100)
    })

    test('records that are written together share requests', async () => {
      const before = subject.index.stats.writeRequests
      const keys = Array.from({ length: 100 }, (_, i) => `doc-${i}`)

      await Promise.all(keys.map((key) => subject.write(key, upsert(point(key, key)))))

      expect(subject.index.stats.writeRequests - before).toBeLessThan(50)
    })

    test('stats count what was done', async () => {
      const [first, second] = [point('a', 'first'), point('a', 'second')]

      await subject.write('a', upsert(first, second))
      await subject.write('a', setPayload(first, payload('a', 'first', { at: 2 })))
      await subject.write('a', remove(first, second))

      expect(subject.index.stats).toMatchObject({
        writeRequests: 3,
        pointsWritten: 2,
        payloadsWritten: 1,
        pointsDeleted: 2,
      })
    })

    test('closing in the middle of writes settles all of them, and keeps what was acknowledged', async () => {
      const writeAll = (word: string) =>
        Array.from({ length: 300 }, (_, i) => `${word}-${i}`).map((key) =>
          subject.write(key, upsert(point(key, key))).then(
            () => key,
            () => undefined,
          ),
        )
      const early = writeAll('early')
      await early[0]
      const late = writeAll('late')

      await subject.writer.close()
      await subject.index.close()
      const acknowledged = (await Promise.all([...early, ...late])).filter((key) => key !== undefined)

      const kept = await subject.dump(await subject.open())
      expect(acknowledged.length).toBeGreaterThan(0)
      expect([...kept.values()].map(({ doc }) => doc)).toEqual(expect.arrayContaining(acknowledged))
    })

    test('a writer that was closed writes no more, the others go on', async () => {
      const other = subject.index.writer('0_1')
      await subject.writer.close()

      const [refused, written] = await Promise.allSettled([
        subject.write('a', upsert(point('a', 'refused'))),
        other.write(change('b', upsert(point('b', 'text'))), never),
      ])

      expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'INDEX_CLOSED' } })
      expect(written.status).toBe('fulfilled')
      expect(await subject.contents()).toEqual(['text'])
    })

    test('closing twice is fine; using a closed index is an error of ours', async () => {
      await subject.index.close()
      await subject.index.close()

      await expect(subject.write('a', upsert(point('a', 'text')))).rejects.toMatchObject({ code: 'INDEX_CLOSED' })
      await expect(subject.index.observe(['a'])).rejects.toMatchObject({ code: 'INDEX_CLOSED' })
    })
  })
}
