import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { describe, expect, test } from 'vitest'
import { openLevelStore } from '../../src/state/level-store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { generationBytes, generationKeys, generationStores, generationValue } from '../support/generations.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const writer = join(import.meta.dirname, '../support/generation-writer.ts')

interface KilledWriter {
  /** The last generation whose persist began. */
  readonly begun: number
  /** The last generation whose persist had returned. */
  readonly ended: number
}

/**
 * Lets a writer begin a second generation and kills it when so many bytes of that one (or of one soon after) have reached the file, and
 * tells what the writer had said until then.
 */
async function killWriter(directory: string, bytes: number): Promise<KilledWriter> {
  const child = spawn(process.execPath, [writer, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const said = { begin: 0, end: 0 }
  let killing: Promise<void> | undefined
  for await (const line of createInterface({ input: child.stdout })) {
    const [word, generation] = line.split(' ')
    if (word === 'begin' && said.begin > 0)
      killing ??= growth(directory, bytes, child).then(() => void child.kill('SIGKILL'))
    if (word === 'begin' || word === 'end') said[word] = Number(generation)
  }
  await killing
  await exit
  return { begun: said.begin, ended: said.end }
}

/** Resolves when the newest write-ahead log of LevelDB has grown by so many bytes, or when the writer is gone. */
async function growth(directory: string, bytes: number, writer: ChildProcess): Promise<void> {
  const before = logSize(directory)
  let now = before
  while (writer.exitCode === null && now.log === before.log && now.size < before.size + bytes) {
    await new Promise(setImmediate)
    now = logSize(directory)
  }
}

function logSize(directory: string): { log: string; size: number } {
  const log = readdirSync(directory).findLast((name) => name.endsWith('.log')) ?? ''
  return { log, size: statSync(join(directory, log), { throwIfNoEntry: false })?.size ?? 0 }
}

/** Every generation that some entry, position or source offset on disk comes from; 0 stands for "nothing there". */
async function generationsOnDisk(directory: string): Promise<unknown[]> {
  await using state = await TaskState.open({ stores: generationStores, openDisk: () => openLevelStore(directory) })
  const found = new Set<unknown>([Number(Buffer.from(state.sourceOffsets ?? []).toString())])
  for (const { name } of generationStores) {
    found.add(state.position(name) ?? 0)
    const view = state.view(name, () => 0)
    for (const key of generationKeys) found.add(generationOf(view.get(key)))
  }
  return [...found]
}

/** The generation that wrote this value; the value itself when no single one did. */
function generationOf(value: unknown): unknown {
  if (value === undefined) return 0
  const generation = Number.parseInt(String(value), 10)
  return value === generationValue(generation) ? generation : value
}

describe('kill -9 while a generation goes to disk', () => {
  test('leaves all of it or nothing: entries of every store, positions and source offsets agree', async () => {
    await using folder = await temporaryDirectory()

    for (let round = 0; round < 10; round++) {
      const { begun, ended } = await killWriter(folder.path, (generationBytes * round) / 10)

      const found = await generationsOnDisk(folder.path)

      expect(found).toHaveLength(1)
      expect(found[0]).toBeGreaterThanOrEqual(ended)
      expect(found[0]).toBeLessThanOrEqual(begun)
    }
  })
})
