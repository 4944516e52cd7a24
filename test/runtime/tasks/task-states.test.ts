import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/clock.ts'
import { silentLogger } from '../../../src/logger.ts'
import { TaskStates } from '../../../src/runtime/tasks/task-states.ts'
import { string } from '../../../src/serde.ts'
import type { StoreSpec } from '../../../src/state/store.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const stores = [{ kind: 'key-value', name: 'words', key: string, value: string }] as StoreSpec[]

const openStates = (stateDirectory: string) =>
  TaskStates.open({
    stateDirectory,
    application: 'app',
    inMemory: false,
    clock: systemClock,
    logger: silentLogger,
  })

describe('the states of an instance that closes', () => {
  test('are closed also where they are only being opened: nothing is written into the folder afterwards', async () => {
    await using folder = await temporaryDirectory()
    const states = await openStates(folder.path)
    let isOpen = false
    const opening = states.open('0_0', stores).then((state) => {
      isOpen = true
      return state
    })

    await states.close()
    const wasOpen = isOpen
    const state = await opening
    await state.close()
    const again = await openStates(folder.path)
    await (await again.open('0_0', stores)).close()

    expect(wasOpen).toBe(true)
    await again.close()
  })

  test('cannot be opened any more', async () => {
    await using folder = await temporaryDirectory()
    const states = await openStates(folder.path)
    await states.close()

    await expect(states.open('0_0', stores)).rejects.toMatchObject({ code: 'BROKER_CLOSED' })
  })
})
