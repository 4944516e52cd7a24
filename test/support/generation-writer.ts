import { string } from '../../src/serde.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { generationKeys, generationStores, generationValue } from './generations.ts'

/**
 * Persists one generation after the other into the directory of its first argument, until it is killed: each writes every key of every
 * store. Prints `begin <generation>` before a generation goes to disk and `end <generation>` after.
 */
const state = await TaskState.open({ stores: generationStores, openDisk: () => openLevelStore(process.argv[2] ?? '') })
const first = (state.position(generationStores[0]?.name ?? '') ?? 0) + 1

for (let generation = first; ; generation++) {
  for (const { name } of generationStores) {
    const store = state.view(name, () => generation) as KeyValueStore<string, string>
    for (const key of generationKeys) store.put(key, generationValue(generation))
  }
  process.stdout.write(`begin ${generation}\n`)
  await state.persist(generation, {
    positions: new Map(generationStores.map(({ name }) => [name, generation])),
    sourceOffsets: string.serialize(String(generation)),
  })
  process.stdout.write(`end ${generation}\n`)
}
