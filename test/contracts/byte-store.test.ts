import { onTestFinished } from 'vitest'
import { openLevelStore } from '../../src/state/level-store.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'
import { byteStoreFeatures } from './byte-store.features.ts'

byteStoreFeatures('memory', async () => memoryStore())

byteStoreFeatures('level', async () => {
  const folder = await temporaryDirectory()
  onTestFinished(() => folder[Symbol.asyncDispose]())
  return openLevelStore(folder.path)
})
