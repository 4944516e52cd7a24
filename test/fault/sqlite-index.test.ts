import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { testDimensions } from '../support/points.ts'

const program = fileURLToPath(new URL('../support/index-writer.ts', import.meta.url))
let folder: string
let path: string

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-index-'))
  path = join(folder, 'index.db')
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** Runs the writer, kills it with SIGKILL once it has acknowledged so many versions, and returns the last one of each document. */
async function writeAndKill(firstVersion: number, acknowledgements: number): Promise<Map<string, number>> {
  const child = spawn(process.execPath, [program, path, String(firstVersion)], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exited = once(child, 'exit')
  const acknowledged = new Map<string, number>()
  let count = 0
  for await (const line of createInterface({ input: child.stdout })) {
    const [doc = '', version] = line.split(' ')
    acknowledged.set(doc, Number(version))
    if (++count === acknowledgements) child.kill('SIGKILL')
  }
  await exited
  expect(count).toBeGreaterThanOrEqual(acknowledgements)
  return acknowledged
}

/** The versions that each document has points of, with their number of points. */
async function stored(): Promise<Map<string, Record<number, number>>> {
  const index = sqliteIndex({ path })
  await index.open({ id: 'pipeline-a', dimensions: testDimensions })
  const versions = new Map<string, Record<number, number>>()
  for await (const { doc, payload } of index.scan()) {
    const counts = versions.get(doc) ?? {}
    counts[payload._millrace.at] = (counts[payload._millrace.at] ?? 0) + 1
    versions.set(doc, counts)
  }
  await index.close()
  return versions
}

test('kill -9 while writing loses nothing that was acknowledged and leaves no document half written', async () => {
  let version = 0
  for (const acknowledgements of [1, 37, 150, 400, 777]) {
    const acknowledged = await writeAndKill(version, acknowledgements)

    const found = await stored()

    for (const [doc, counts] of found) {
      const [[only, points] = ['', 0], ...others] = Object.entries(counts)
      expect(others, `${doc} holds one version`).toEqual([])
      expect(points, `${doc} is whole`).toBe(7)
      expect(Number(only), `${doc} is as new as acknowledged`).toBeGreaterThanOrEqual(acknowledged.get(doc) ?? 0)
      version = Math.max(version, Number(only) + 1)
    }
    expect([...found.keys()]).toEqual(expect.arrayContaining([...acknowledged.keys()]))
  }

  using database = new DatabaseSync(path)
  const count = (table: string) => database.prepare(`SELECT count(*) AS count FROM ${table}`).get()?.count
  expect(database.prepare('PRAGMA integrity_check').get()).toMatchObject({ integrity_check: 'ok' })
  expect(count('vectors')).toBe(count('points'))
  database.exec("INSERT INTO texts (texts) VALUES ('integrity-check')")
  expect(database.prepare('SELECT rowid AS row FROM texts EXCEPT SELECT row FROM points').all()).toEqual([])
  expect(database.prepare('SELECT row FROM points EXCEPT SELECT rowid FROM texts').all()).toEqual([])
})
