import { openLevelStore } from '../../src/state/level-store.ts'
import type { StoreSpec } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'

/**
 * A state in this folder that follows another one, which `write` has written in generation 1 and which is closed: on its disk, or on an empty
 * one, restored from its changelogs.
 */
export async function restartedState(
  stores: readonly StoreSpec[],
  { folder, fromDisk }: { readonly folder: string; readonly fromDisk: boolean },
  write: (state: TaskState) => void,
): Promise<TaskState> {
  const open = (name: string) => TaskState.open({ stores, openDisk: () => openLevelStore(`${folder}/${name}`) })
  const before = await open('first')
  write(before)
  const changes = before.changes(1)
  await before.persist(1, { positions: new Map(), sourceOffsets: new Uint8Array(0) })
  await before.close()
  if (fromDisk) return open('first')
  const after = await open('second')
  for (const { store, timestamp = 0, ...change } of changes) await after.restore(store, [{ ...change, timestamp }], 1)
  return after
}
