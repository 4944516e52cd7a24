import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { cached, hash } from '../../src/embed/index.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const writer = join(import.meta.dirname, '../support/vector-writer.ts')
/** Room for some 480 vectors, so that the oldest go all the time. */
const maxDiskBytes = 170_000

/** Kills a writer after so many calls, in the middle of whatever it writes then. */
async function killWriter(path: string, calls: number): Promise<void> {
  const child = spawn(process.execPath, [writer, path, String(maxDiskBytes)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  for await (const line of createInterface({ input: child.stdout })) if (Number(line) >= calls) child.kill('SIGKILL')
  await exit
}

test('kill -9 in the middle of writes leaves a cache of whole vectors, within its bound', async () => {
  await using folder = await temporaryDirectory()

  for (const calls of [1, 40, 61, 90]) {
    await killWriter(folder.path, calls)

    const cache = cached(hash({ dimensions: 64 }), { path: folder.path, maxDiskBytes })
    await cache.open()
    const entries = await Array.fromAsync(cache.entries())
    const { diskEntries, diskBytes, diskFailures, damagedEntries } = cache.cacheStats
    expect({ diskFailures, damagedEntries }).toEqual({ diskFailures: 0, damagedEntries: 0 })
    expect(diskBytes).toBeLessThanOrEqual(maxDiskBytes)
    expect(diskEntries).toBeGreaterThan(0)
    expect(entries).toHaveLength(diskEntries)
    await cache.close()
  }
})
