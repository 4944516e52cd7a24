import { beforeEach, describe, expect, test } from 'vitest'
import type { ChunkedDocument, DocumentChange } from '../../src/model.ts'
import { DiffHarness, documentOf, sizes } from '../support/diff-harness.ts'
import { recordOf } from '../support/fake-context.ts'

let diffing: DiffHarness

beforeEach(() => {
  diffing = new DiffHarness()
})

describe('while the task is recovering', () => {
  test('what the index holds counts, not the manifest', async () => {
    const crashed = diffing.index
    await diffing.send('k', documentOf(['a', 'b', 'c']))
    diffing = new DiffHarness(crashed)
    diffing.context.recovering = true

    const change = await diffing.send('k', documentOf(['a', 'b', 'd']))

    expect(sizes(change)).toEqual({ kind: 'changed', upserts: 1, payloads: 0, deletes: 1, reused: 2 })
    expect(diffing.contents).toEqual(['a', 'b', 'd'])
  })

  test('a version that the index holds already costs nothing, though the manifest is gone', async () => {
    const crashed = diffing.index
    await diffing.send('k', documentOf(['a', 'b']))
    diffing = new DiffHarness(crashed)
    diffing.context.recovering = true

    expect(await diffing.send('k', documentOf(['a', 'b']))).toBeUndefined()
    expect(diffing.manifestOf('k')?.chunks).toHaveLength(2)
  })

  test('an unknown tombstone deletes what the index holds', async () => {
    const crashed = diffing.index
    await diffing.send('k', documentOf(['a']))
    diffing = new DiffHarness(crashed)
    diffing.context.recovering = true

    expect(sizes(await diffing.send('k', null))).toMatchObject({ kind: 'deleted', deletes: 1 })
    expect(diffing.index.points.size).toBe(0)
  })

  test('the index is asked once for each key, until the next recovery', async () => {
    diffing.context.recovering = true
    await diffing.send('k', documentOf(['a']))
    await diffing.send('k', documentOf(['b']))
    await diffing.send('other', documentOf(['b']))
    expect(diffing.index.observed).toBe(2)

    diffing.context.recovering = false
    await diffing.send('k', documentOf(['c']))
    expect(diffing.index.observed).toBe(2)

    diffing.context.recovering = true
    await diffing.send('k', documentOf(['d']))
    expect(diffing.index.observed).toBe(3)
    expect(diffing.contents).toEqual(['b', 'd'])
  })

  test('an index that cannot be asked leaves the key to be asked for again', async () => {
    diffing.context.recovering = true
    const { observe } = diffing.index
    diffing.index.observe = () => Promise.reject(new Error('down'))
    await expect(diffing.send('k', documentOf(['a']))).rejects.toThrow('down')

    diffing.index.observe = observe
    await diffing.send('k', documentOf(['a']))

    expect(diffing.index.observed).toBe(1)
  })
})

describe('a version that was given up', () => {
  test('leaves the manifest as it was before, and dirty', async () => {
    await diffing.send('k', documentOf(['a', 'b']))
    const before = diffing.manifestOf('k')
    const poison = recordOf('k', documentOf(['a', 'x']))
    await diffing.emit(poison)

    diffing.processor.takeBack?.(poison, diffing.context)

    expect(diffing.manifestOf('k')).toEqual({ ...before, dirty: true })
  })

  test('makes the next version look at the index, once', async () => {
    await diffing.send('k', documentOf(['a', 'b']))
    const poison = recordOf('k', documentOf(['a', 'x', 'y']))
    const change = await diffing.emit(poison)
    // Only a part of the change reached the diffing.index.
    diffing.index.apply({ ...(change as DocumentChange), upserts: change?.upserts.slice(0, 1) ?? [], deletes: [] })
    diffing.processor.takeBack?.(poison, diffing.context)

    await diffing.send('k', documentOf(['a', 'y']))
    await diffing.send('k', documentOf(['a', 'z']))

    expect(diffing.contents).toEqual(['a', 'z'])
    // Once for the first version of all.
    expect(diffing.index.observed).toBe(2)
    expect(diffing.manifestOf('k')?.dirty).toBe(false)
  })

  test('may be tried again: the second attempt looks at the index as well', async () => {
    const record = recordOf('k', documentOf(['a', 'b']))
    const change = await diffing.emit(record)
    diffing.index.apply({ ...(change as DocumentChange), upserts: change?.upserts.slice(0, 1) ?? [] })
    diffing.processor.takeBack?.(record, diffing.context)

    const again = await diffing.emit(record)

    expect(again?.upserts.map(({ meaning }) => meaning)).toEqual(['b'])
  })

  test('of an unknown document leaves an empty, dirty manifest, so that a tombstone still cleans up', async () => {
    const poison = recordOf('k', documentOf(['a']))
    const change = await diffing.emit(poison)
    diffing.index.apply(change as DocumentChange)
    diffing.processor.takeBack?.(poison, diffing.context)
    expect(diffing.manifestOf('k')).toMatchObject({ chunks: [], dirty: true })

    await diffing.send('k', null)

    expect(diffing.index.points.size).toBe(0)
    expect(diffing.manifestOf('k')).toBeUndefined()
  })

  test('and was a tombstone leaves what was there, dirty', async () => {
    await diffing.send('k', documentOf(['a']))
    const tombstone = recordOf<string, ChunkedDocument>('k', null)
    await diffing.emit(tombstone)

    diffing.processor.takeBack?.(tombstone, diffing.context)

    expect(diffing.manifestOf('k')).toMatchObject({ dirty: true, chunks: [{}] })
  })
})
