import { describe, expect, test } from 'vitest'
import { Permits } from '../../../src/runtime/copies/permits.ts'
import { settled } from '../../support/instance.ts'

const never = new AbortController().signal

describe('permits', () => {
  test('let so many at a time do something, and the others in the order in which they asked', async () => {
    const permits = new Permits(2)
    const began: number[] = []
    const works = [0, 1, 2, 3].map(() => Promise.withResolvers<void>())
    const all = works.map((work, index) =>
      permits.using(async () => {
        began.push(index)
        await work.promise
      }, never),
    )
    await settled()
    const first = [...began]

    works[1]?.resolve()
    await settled()
    const second = [...began]
    for (const work of works) work.resolve()
    await Promise.all(all)

    expect(first).toEqual([0, 1])
    expect(second).toEqual([0, 1, 2])
    expect(began).toEqual([0, 1, 2, 3])
  })

  test('come back from work that fails', async () => {
    const permits = new Permits(1)

    const failing = permits.using(() => Promise.reject(new Error('on purpose')), never)
    await expect(failing).rejects.toThrow('on purpose')

    expect(await permits.using(async () => 'done', never)).toBe('done')
  })

  test('are not given to who no longer wants one', async () => {
    const permits = new Permits(1)
    const work = Promise.withResolvers<void>()
    const first = permits.using(() => work.promise, never)
    const impatience = new AbortController()
    const second = permits.using(async () => 'second', impatience.signal)
    const third = permits.using(async () => 'third', never)

    impatience.abort(new Error('gave up'))
    work.resolve()

    await expect(second).rejects.toThrow('gave up')
    expect(await third).toBe('third')
    await first
  })
})
