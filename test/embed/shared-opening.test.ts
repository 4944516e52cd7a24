import { expect, test } from 'vitest'
import { SharedOpening } from '../../src/embed/shared-opening.ts'

/** Counts what is open; every opening waits for the test. */
function countedOpening() {
  const openings: PromiseWithResolvers<void>[] = []
  let openNow = 0
  const shared = new SharedOpening('the mill', async () => {
    const opening = Promise.withResolvers<void>()
    openings.push(opening)
    await opening.promise
    openNow++
    return {
      number: openings.length,
      close: async () => {
        openNow--
      },
    }
  })
  return { shared, openings, openNow: () => openNow }
}

/** The next opening. */
async function opening(openings: readonly PromiseWithResolvers<void>[], at: number) {
  await expect.poll(() => openings.length, { timeout: 15_000 }).toBe(at + 1)
  return openings[at]
}

test('is opened once, however many want it, and closed by the last of them', async () => {
  const { shared, openings, openNow } = countedOpening()
  const opened = Promise.all([shared.open(), shared.open()])
  ;(await opening(openings, 0))?.resolve()
  await opened

  await shared.close()
  expect(shared.opened.number).toBe(1)
  await shared.close()

  expect([openings.length, openNow()]).toEqual([1, 0])
  expect(shared.known.number).toBe(1)
  expect(() => shared.opened).toThrow('ILLEGAL_STATE: the mill is not open. Open it before use.')
})

test('can be opened again after it could not be opened', async () => {
  const { shared, openings } = countedOpening()
  const failing = Promise.allSettled([shared.open(), shared.open()])
  ;(await opening(openings, 0))?.reject(new Error('no water'))
  expect((await failing).map(({ status }) => status)).toEqual(['rejected', 'rejected'])

  const opened = shared.open()
  ;(await opening(openings, 1))?.resolve()
  await opened

  expect(shared.opened.number).toBe(2)
  await shared.close()
})

test('is closed as soon as it is open when nobody wants it any more', async () => {
  const { shared, openings, openNow } = countedOpening()
  const opened = shared.open()
  const first = await opening(openings, 0)

  const closed = shared.close()
  first?.resolve()
  await Promise.all([opened, closed])

  expect(openNow()).toBe(0)
  expect(() => shared.known).toThrow('is not open')
})

test('counts anew after an opening failed that was given up meanwhile', async () => {
  const { shared, openings, openNow } = countedOpening()
  const failing = shared.open()
  const first = await opening(openings, 0)
  const closed = shared.close()
  first?.reject(new Error('no water'))
  await expect(failing).rejects.toThrow('no water')
  await closed

  const opened = shared.open()
  ;(await opening(openings, 1))?.resolve()
  await opened
  const others = shared.open()
  await others
  await shared.close()

  expect(openNow()).toBe(1)
  await shared.close()
  expect(openNow()).toBe(0)
})

test('is opened again only when it has been closed', async () => {
  const { shared, openings, openNow } = countedOpening()
  const opened = shared.open()
  const first = await opening(openings, 0)
  const closed = shared.close()
  const again = shared.open()
  expect(openings).toHaveLength(1)

  first?.resolve()
  await Promise.all([opened, closed])
  ;(await opening(openings, 1))?.resolve()
  await again

  expect(openNow()).toBe(1)
  await shared.close()
  await shared.close()
})
