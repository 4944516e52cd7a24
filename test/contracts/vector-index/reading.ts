import { beforeEach, describe, expect, test } from 'vitest'
import { isStreamError } from '../../../src/errors.ts'
import { payload, point, remove, setPayload, testDimensions, unitVector, upsert } from '../../support/points.ts'
import { byId, type IndexCapabilities, type OpenIndex, refOf } from './harness.ts'

/** observe, scan and search. */
export function readingFeatures(subject: OpenIndex, capabilities: IndexCapabilities): void {
  describe('looking', () => {
    test('observe names the points of the asked documents and leaves out absent ones', async () => {
      const keys = ['plain', 'with space/ümlaut.md', 'quote\'s "both"', 'line\nbreak', '100%_like', 'plain2']
      for (const key of keys) await subject.write(key, upsert(point(key, 'one'), point(key, 'two', { occurrence: 1 })))

      const seen = await subject.index.observe([...keys.slice(0, 5), 'absent'])

      expect([...seen.keys()].sort()).toEqual(keys.slice(0, 5).sort())
      for (const key of keys.slice(0, 5))
        expect(byId(seen.get(key))).toEqual(
          byId([refOf(point(key, 'one')), refOf(point(key, 'two', { occurrence: 1 }))]),
        )
    })

    test('observe sees every acknowledged write', async () => {
      const given = point('a', 'text')

      await subject.write('a', upsert(given))
      const there = await subject.index.observe(['a'])
      await subject.write('a', setPayload(given, payload('a', 'text', { metadata: { changed: true } })))
      const changed = await subject.index.observe(['a'])
      await subject.write('a', remove(given))
      const gone = await subject.index.observe(['a'])

      expect(there.get('a')).toEqual([refOf(given)])
      expect(changed.get('a')?.[0]?.payloadHash).not.toBe(refOf(given).payloadHash)
      expect(gone.size).toBe(0)
    })

    test('observe of a document with many points names all of them', async () => {
      const points = Array.from({ length: 1_500 }, (_, i) => point('large', `part ${i}`))
      await subject.write('large', upsert(...points))

      const seen = await subject.index.observe(['large'])

      expect(seen.get('large')?.length).toBe(1_500)
    })

    test('scan gives every point once, over many pages', async () => {
      const points = Array.from({ length: 2_300 }, (_, i) => point(`doc-${i % 40}`, `part ${i}`))
      await Promise.all(points.map((each) => subject.write(each.payload._millrace.doc, upsert(each))))

      const ids: string[] = []
      for await (const { id } of subject.index.scan()) ids.push(id)

      expect(ids.sort()).toEqual(points.map(({ id }) => id).sort())
    })

    test('scan of a partition gives its points alone', async () => {
      const points = Array.from({ length: 30 }, (_, i) => point(`doc-${i}`, 'text', { partition: i % 3 }))
      await Promise.all(points.map((each) => subject.write(each.payload._millrace.doc, upsert(each))))

      const partitions: number[] = []
      for await (const { partition } of subject.index.scan({ partition: 2 })) partitions.push(partition)

      expect(partitions).toEqual(Array(10).fill(2))
    })

    test('scan stops when its signal aborts', async () => {
      await subject.write('a', upsert(...Array.from({ length: 20 }, (_, i) => point('a', `part ${i}`))))
      const abort = new AbortController()

      const reading = (async () => {
        for await (const _ of subject.index.scan({ signal: abort.signal })) abort.abort(new Error('enough'))
      })()

      await expect(reading).rejects.toThrow('enough')
    })
  })

  describe('searching', () => {
    const axis = (i: number, tilt = 0): Float32Array => {
      const vector = new Float32Array(testDimensions)
      vector[i] = Math.cos(tilt)
      vector[(i + 1) % testDimensions] = Math.sin(tilt)
      return vector
    }

    test('by vector: the nearest first, scored by cosine', async () => {
      const points = [0.9, 0.1, 0.5].map((tilt) => point('a', `tilted ${tilt}`, { vector: axis(0, tilt) }))
      await subject.write('a', upsert(...points, point('b', 'across', { vector: axis(4) })))

      const hits = await subject.index.search({ text: '', vector: axis(0) }, { mode: 'vector', limit: 3 })

      expect(hits.map((hit) => hit.payload.content)).toEqual(['tilted 0.1', 'tilted 0.5', 'tilted 0.9'])
      expect(hits[0]?.score).toBeCloseTo(Math.cos(0.1), 4)
    })

    test('ten hits unless asked for more or fewer', async () => {
      await subject.write('a', upsert(...Array.from({ length: 15 }, (_, i) => point('a', `part ${i}`))))
      const query = { text: '', vector: unitVector('anything') }

      const counts = [undefined, 1, 12, 100].map(async (limit) => {
        const hits = await subject.index.search(query, { mode: 'vector', ...(limit !== undefined && { limit }) })
        return hits.length
      })

      expect(await Promise.all(counts)).toEqual([10, 1, 12, 15])
    })

    test('an empty index has no hits', async () => {
      expect(await subject.index.search({ text: 'anything', vector: unitVector('anything') })).toEqual([])
    })

    test('the default mode finds the nearest point', async () => {
      await subject.write('a', upsert(...Array.from({ length: 15 }, (_, i) => point('a', `part ${i}`))))

      const [hit] = await subject.index.search({ text: 'part 7', vector: unitVector('part 7') })

      expect(hit?.payload.content).toBe('part 7')
    })

    test('a search by vector without a vector is refused', async () => {
      await expect(subject.index.search({ text: 'anything' }, { mode: 'vector' })).rejects.toSatisfy(isStreamError)
    })

    describe.runIf(capabilities.text)('by words', () => {
      const texts = (query: string) =>
        subject.index
          .search({ text: query }, { mode: 'text' })
          .then((hits) => hits.map((hit) => hit.payload.content).sort())

      beforeEach(() =>
        subject.write(
          'a',
          upsert(
            point('a', 'Retry with exponential back-off'),
            point('a', 'The Größe of a naïve café'),
            point('a', 'nothing in common', { heading: 'Timeouts > Broker' }),
          ),
        ),
      )

      test('one common word is enough, in any case and with or without accents', async () => {
        expect(await texts('EXPONENTIAL unrelated')).toEqual(['Retry with exponential back-off'])
        expect(await texts('cafe')).toEqual(['The Größe of a naïve café'])
        expect(await texts('GRÖSSE größe')).toEqual(['The Größe of a naïve café'])
      })

      test('words of the heading count', async () => {
        expect(await texts('broker')).toEqual(['nothing in common'])
      })

      test.each([
        '',
        '   ',
        '?!',
        '"',
        "'",
        '*',
        'AND',
        'NOT',
        'a NEAR(b',
        '-x',
        'col:term',
        '(((',
        '\u0000',
        '\ud800',
      ])('user text %j is never a query language', async (text) => {
        expect(Array.isArray(await texts(text))).toBe(true)
      })

      test('a deleted or rewritten point is not found by its old words', async () => {
        await subject.write('a', remove(point('a', 'Retry with exponential back-off')))
        await subject.write('a', upsert({ ...point('a', 'The Größe of a naïve café'), meaning: 'entirely different' }))

        expect(await texts('exponential café')).toEqual([])
        expect(await texts('different')).toEqual(['The Größe of a naïve café'])
      })

      test('hybrid puts first what both ways find', async () => {
        const query = { text: 'exponential', vector: unitVector('The Größe of a naïve café') }
        await subject.write('b', upsert(point('b', 'exponential growth', { vector: query.vector })))

        const hits = await subject.index.search(query, { mode: 'hybrid' })

        expect(hits[0]?.payload.content).toBe('exponential growth')
        expect(hits.length).toBe(4)
      })
    })
  })
}
