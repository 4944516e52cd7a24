import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { timedStore } from '../../src/runtime/nodes/timed-store.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import type { ByteStore, KeyValueStore, KeyValueStoreSpec, StoreSpec } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { keyValueStoreFeatures, type OpenStore } from './key-value-store.features.ts'

/** Opens the store under test between two neighbours whose entries must never show. */
function openWith(
  storage: 'level' | 'memory',
  openDisk: () => Promise<ByteStore>,
  more: Pick<KeyValueStoreSpec<never, never>, 'keysInMemory'> = {},
  seen: <K, V>(store: KeyValueStore<K, V>) => KeyValueStore<K, V> = (store) => store,
): OpenStore {
  return async <K, V>(spec: Omit<KeyValueStoreSpec<K, V>, 'kind' | 'storage'>) => {
    const named = (name: string) => ({ ...spec, ...more, name, kind: 'key-value', storage }) as StoreSpec
    const stores = [named(spec.name.slice(0, -1)), named(spec.name), named(`${spec.name}-more`)]
    const state = await TaskState.open({ stores, openDisk })
    for (const { name } of stores) {
      if (name !== spec.name)
        await state.restore(name, [{ key: Buffer.from('b'), value: Buffer.from('not ours'), timestamp: 0 }], 1)
    }
    return {
      at: (generation) => seen(state.view(spec.name, () => generation) as KeyValueStore<K, V>),
      persist: (generation) => state.persist(generation, { positions: new Map(), sourceOffsets: new Uint8Array(0) }),
      [Symbol.asyncDispose]: () => state.close(),
    }
  }
}

keyValueStoreFeatures(
  'memory',
  openWith('memory', async () => Promise.reject(new Error('a store in memory needs no disk'))),
)

keyValueStoreFeatures(
  'level',
  openWith('level', async () => {
    const folder = await temporaryDirectory()
    onTestFinished(() => folder[Symbol.asyncDispose]())
    return openLevelStore(folder.path)
  }),
)

keyValueStoreFeatures(
  'level with all entries in memory',
  openWith('level', async () => memoryStore()),
)

keyValueStoreFeatures(
  'memory with its keys in memory',
  openWith('memory', async () => Promise.reject(new Error('a store in memory needs no disk')), { keysInMemory: true }),
)

keyValueStoreFeatures(
  'level with its keys in memory',
  openWith('level', async () => memoryStore(), { keysInMemory: true }),
)

keyValueStoreFeatures(
  'level, with its operations timed',
  openWith(
    'level',
    async () => memoryStore(),
    {},
    (store) => timedStore(store, systemClock, () => undefined),
  ),
)
