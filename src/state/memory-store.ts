import { StreamError } from '../errors.ts'
import { keyText, textRange } from './key-text.ts'
import { SortedMap } from './sorted-map.ts'
import type { ByteEntry, ByteStore } from './store.ts'

/**
 * A ByteStore that forgets everything when it is closed: for stores that live from their changelog alone, and for tests.
 *
 * @example
 * await using store = memoryStore()
 * await store.write([{ key: new Uint8Array([1]), value: new Uint8Array([2]) }])
 */
export function memoryStore(): ByteStore {
  let entries: SortedMap<ByteEntry> | undefined = new SortedMap()

  const open = (): SortedMap<ByteEntry> => {
    if (entries === undefined)
      throw new StreamError('ILLEGAL_STATE', 'the store in memory was used after it was closed')
    return entries
  }
  async function* whileOpen(snapshot: Iterable<readonly [string, ByteEntry]>): AsyncGenerator<ByteEntry> {
    for (const [, entry] of snapshot) {
      open()
      yield entry
    }
  }
  const close = async (): Promise<void> => {
    entries = undefined
  }

  return {
    get: (key) => open().get(keyText(key))?.[1],

    range: (range = {}) =>
      whileOpen(
        open()
          .entries(textRange(range))
          .take(range.limit ?? Number.POSITIVE_INFINITY),
      ),

    async write(changes) {
      const target = open()
      for (const { key, value } of changes) {
        if (value === null) target.delete(keyText(key))
        else target.set(keyText(key), [key, value])
      }
    },

    async clear(range = {}) {
      const target = open()
      const doomed = target.entries(textRange(range)).take(range.limit ?? Number.POSITIVE_INFINITY)
      for (const [text] of doomed) target.delete(text)
    },

    close,
    [Symbol.asyncDispose]: close,
  }
}
