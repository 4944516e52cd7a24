import { join } from 'node:path'
import { isStreamError, StreamError } from '../../errors.ts'
import { openLevelStore } from '../../state/level-store.ts'

/** Nothing is written to the store. */
const smallStore = { cacheBytes: 64 * 1024, writeBufferBytes: 64 * 1024 }

/**
 * Keeps others from adding the same model as long as it is held, in this process or another: both would write to the same files. It is the
 * lock of a byte store, as that of a state directory, so it goes with the process, also after kill -9. Throws STATE_LOCKED, STATE_IO.
 */
export async function lockModel(modelsFolder: string, id: string): Promise<AsyncDisposable> {
  try {
    // No id begins with a dot.
    return await openLevelStore(join(modelsFolder, '.locks', id), smallStore)
  } catch (cause) {
    if (!isStreamError(cause) || cause.code !== 'STATE_LOCKED') throw cause
    throw new StreamError('STATE_LOCKED', `somebody else is adding model "${id}" to ${modelsFolder}`, {
      cause,
      fix: 'Wait until that has ended; what it has downloaded is not downloaded again.',
    })
  }
}
