import { describe, expect, test } from 'vitest'
import type { ChunkedDocument, DocumentKey, Manifest, PointRef } from '../../src/model.ts'
import { compareManifests } from '../../src/operators/audit.ts'
import { wantedPoints } from '../../src/operators/manifest/document-points.ts'

const origin = { pipeline: 'aa', partition: 0, at: 1 }

/** What a manifest says, and what the index then holds. */
function indexed(
  key: DocumentKey,
  texts: readonly string[],
  pipeline = 'aa',
): { manifest: Manifest; points: PointRef[] } {
  const document: ChunkedDocument = {
    chunks: texts.map((text) => ({ text, heading: '', meaning: text })),
    metadata: {},
  }
  const wanted = wantedPoints(key, document, { ...origin, pipeline })
  return {
    manifest: { source: { partition: 0, offset: 0 }, pipeline, chunks: wanted.map(({ chunk }) => chunk), dirty: false },
    points: wanted.map(({ id, payload: { _millrace: bookkeeping } }) => ({
      id,
      doc: key,
      partition: 0,
      hash: bookkeeping.hash,
      payloadHash: bookkeeping.payload,
      occurrence: bookkeeping.occurrence,
      pipeline,
    })),
  }
}

const a = indexed('a', ['one', 'two', 'two'])
const b = indexed('b', ['one'])
const expected: readonly (readonly [DocumentKey, Manifest])[] = [
  ['a', a.manifest],
  ['b', b.manifest],
]
const points = [...a.points, ...b.points]
const none = { missing: [], orphan: [], stale: [], foreign: [] }

describe('comparing manifests with points', () => {
  test('finds nothing when they agree, in any order, from a list or from a scan', async () => {
    async function* scan() {
      yield* points.toReversed()
    }

    expect(await compareManifests(expected, points)).toEqual(none)
    expect(await compareManifests(expected, scan())).toEqual(none)
  })

  test('finds points that are missing, also of equal chunks', async () => {
    const [one, two] = a.points

    const comparison = await compareManifests(
      expected,
      [one, two, ...b.points].flatMap((point) => point ?? []),
    )

    expect(comparison).toEqual({ ...none, missing: [{ id: a.points[2]?.id, doc: 'a' }] })
  })

  test('finds points of documents and chunks that are gone', async () => {
    const gone = [...indexed('c', ['one']).points, ...indexed('a', ['three']).points]

    expect(await compareManifests(expected, [...points, ...gone])).toEqual({ ...none, orphan: gone })
  })

  test('finds points with an old payload', async () => {
    const [first, ...others] = points.map((point, i) => (i === 0 ? { ...point, payloadHash: 'other' } : point))

    expect(
      await compareManifests(
        expected,
        [first, ...others].flatMap((point) => point ?? []),
      ),
    ).toEqual({
      ...none,
      stale: [first],
    })
  })

  test('tells points of pipelines that it does not know from its own', async () => {
    const foreign = indexed('a', ['one'], 'bb').points

    expect(await compareManifests(expected, [...points, ...foreign])).toEqual({ ...none, foreign })
  })
})
