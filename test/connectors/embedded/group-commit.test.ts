import { describe, expect, test } from 'vitest'
import { GroupCommit } from '../../../src/connectors/embedded/group-commit.ts'
import { memoryStore } from '../../../src/state/memory-store.ts'
import type { ByteChange, ByteStore } from '../../../src/state/store.ts'

/** A store whose writes wait for `release`, and which remembers how many changes each had. */
function slowStore() {
  const sizes: number[] = []
  let gate = Promise.withResolvers<void>()
  const inner = memoryStore()
  const store: ByteStore = {
    ...inner,
    write: async (changes) => {
      sizes.push(changes.length)
      await gate.promise
      await inner.write(changes)
    },
  }
  return {
    store,
    sizes,
    release: () => gate.resolve(),
    refuse: (error: Error) => {
      gate.reject(error)
      gate = Promise.withResolvers()
    },
  }
}

const change = (key: number, bytes = 1): ByteChange => ({ key: Uint8Array.of(key), value: new Uint8Array(bytes) })

describe('group commit', () => {
  test('what comes while a batch is being written goes together into the next one', async () => {
    const { store, sizes, release } = slowStore()
    const commit = new GroupCommit(store)

    const first = commit.write([change(0)])
    await Promise.resolve()
    const later = Array.from({ length: 100 }, (_, index) => commit.write([change(index), change(index)]))
    release()
    await Promise.all([first, ...later])

    expect(sizes).toEqual([1, 200])
  })

  test('a batch has a bound, a single write may be larger', async () => {
    const { store, sizes, release } = slowStore()
    const commit = new GroupCommit(store)
    const mebibyte = 1024 * 1024

    const writes = [3, 3, 9, 1].map((size, key) => commit.write([change(key, size * mebibyte)]))
    release()
    await Promise.all(writes)

    expect(sizes).toEqual([1, 1, 1, 1])
  })

  test('an empty write waits for the earlier ones and costs none', async () => {
    const { store, sizes, release } = slowStore()
    const commit = new GroupCommit(store)
    const order: string[] = []

    const write = commit.write([change(1)]).then(() => order.push('write'))
    const flush = commit.write([]).then(() => order.push('flush'))
    release()
    await Promise.all([write, flush])
    await commit.write([])

    expect(order).toEqual(['write', 'flush'])
    expect(sizes).toEqual([1])
  })

  test('a failed batch fails its writes, and the next ones are tried again', async () => {
    const { store, refuse, release } = slowStore()
    const commit = new GroupCommit(store)

    const failing = [commit.write([change(1)]), commit.write([change(2)])].map((write) => write.catch(String))
    await Promise.resolve()
    await Promise.resolve()
    refuse(new Error('disk full'))
    expect(await Promise.all(failing)).toEqual(['Error: disk full', 'Error: disk full'])
    const next = commit.write([change(3)])
    release()
    await next

    expect(store.get(Uint8Array.of(1))).toBeUndefined()
    expect(store.get(Uint8Array.of(3))).toBeDefined()
  })

  test('writes that nobody waits for are refused before they fill the memory', async () => {
    const { store, release } = slowStore()
    const commit = new GroupCommit(store)
    const large = 100 * 1024 * 1024

    const first = commit.write([change(1, large)])
    const second = commit.write([change(2, large)])

    await expect(second).rejects.toMatchObject({ code: 'PRODUCE_FAILED', reaction: 'retry' })
    release()
    await first
    await commit.write([change(3, large)])
  })
})
