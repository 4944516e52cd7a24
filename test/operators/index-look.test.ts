import { describe, expect, test } from 'vitest'
import type { DocumentKey, PointRef } from '../../src/model.ts'
import { IndexLook } from '../../src/operators/index-look.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'

/** Answers each read when it is told to. */
function slowIndex() {
  const reads: { readonly keys: readonly DocumentKey[]; readonly answer: PromiseWithResolvers<void> }[] = []
  const observe: VectorIndex['observe'] = async (keys) => {
    const answer = Promise.withResolvers<void>()
    reads.push({ keys, answer })
    await answer.promise
    return new Map(keys.map((key) => [key, [{ id: `point of ${key}` } as unknown as PointRef]]))
  }
  return { reads, index: { observe } as VectorIndex }
}

const { signal } = new AbortController()
const names = (count: number) => Array.from({ length: count }, (_, at) => `k${at}`)

describe('looks at an index', () => {
  test('share one read when they come in the same turn, also of the same document', async () => {
    const { reads, index } = slowIndex()
    const look = new IndexLook(index)

    const found = Promise.all(['a', 'b', 'a'].map((key) => look.of(key, signal)))
    await expect.poll(() => reads.length).toBe(1)
    reads[0]?.answer.resolve()

    expect((await found).map(([point]) => point?.id)).toEqual(['point of a', 'point of b', 'point of a'])
    expect(reads.map(({ keys }) => keys)).toEqual([['a', 'b']])
  })

  test('are at most four reads of at most a hundred documents at a time', async () => {
    const { reads, index } = slowIndex()
    const look = new IndexLook(index)

    const found = Promise.all(names(450).map((key) => look.of(key, signal)))
    await expect.poll(() => reads.length).toBe(4)
    expect(reads.map(({ keys }) => keys.length)).toEqual([100, 100, 100, 100])
    for (const { answer } of reads) answer.resolve()
    await expect.poll(() => reads.length).toBe(5)
    reads[4]?.answer.resolve()

    expect(await found).toHaveLength(450)
  })

  test('that nobody waits for any more are not made', async () => {
    const { reads, index } = slowIndex()
    const look = new IndexLook(index)
    const controller = new AbortController()

    const gone = look.of('gone', controller.signal)
    controller.abort(new Error('closed'))
    await expect(gone).rejects.toThrow('closed')
    const found = look.of('here', signal)
    await expect.poll(() => reads.length).toBe(1)
    reads[0]?.answer.resolve()
    await found

    expect(reads[0]?.keys).toEqual(['here'])
  })

  test('fail with their read, and the next ones are tried', async () => {
    const { reads, index } = slowIndex()
    const look = new IndexLook(index)

    const failing = look.of('a', signal)
    await expect.poll(() => reads.length).toBe(1)
    reads[0]?.answer.reject(new Error('down'))
    await expect(failing).rejects.toThrow('down')
    const found = look.of('a', signal)
    await expect.poll(() => reads.length).toBe(2)
    reads[1]?.answer.resolve()

    expect(await found).toHaveLength(1)
  })
})
