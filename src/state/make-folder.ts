import { mkdir } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/**
 * Makes a folder with all that it lies in; one that is there already is fine. The `recursive` of Node's own mkdir spins for ever where
 * the system says ENOENT of a folder whose parent is there, as in /proc. This one throws what the system said.
 */
export async function makeFolder(path: string): Promise<void> {
  if (await made(path, 'ENOENT')) return
  const parent = dirname(resolve(path))
  if (parent !== resolve(path)) await makeFolder(parent)
  await made(path)
}

/** False when it failed for the reason that is expected. */
async function made(path: string, expected?: string): Promise<boolean> {
  try {
    await mkdir(path)
    return true
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    // What stands there may be a file; whoever goes in will say so.
    if (code === 'EEXIST') return true
    if (code === expected) return false
    throw error
  }
}
