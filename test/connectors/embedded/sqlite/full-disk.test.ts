import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { Database } from '../../../../src/connectors/embedded/sqlite/database.ts'
import { packRecord } from '../../../../src/connectors/embedded/sqlite/packing.ts'
import type { PackedBatch } from '../../../../src/connectors/embedded/sqlite/protocol.ts'
import type * as Schema from '../../../../src/connectors/embedded/sqlite/schema.ts'
import { point, testDimensions, upsert } from '../../../support/points.ts'
import { temporaryDirectory } from '../../../support/temporary-directory.ts'

const disk = vi.hoisted(() => ({ pages: 0 }))
vi.mock('../../../../src/connectors/embedded/sqlite/schema.ts', async (importOriginal) => {
  const original = await importOriginal<typeof Schema>()
  const openDatabase: typeof original.openDatabase = (request) => {
    const opened = original.openDatabase(request)
    // SQLite says of a file that has this size what it says of a disk without space.
    opened.connection.exec(`PRAGMA max_page_count = ${disk.pages}`)
    return opened
  }
  return { ...original, openDatabase }
})

function open(path: string, pages: number): Database {
  disk.pages = pages
  const readOnly = false
  return new Database({ path, readOnly, dimensions: testDimensions, pipeline: 'pipeline-a', busyTimeoutMs: 0 })
}

function batch(doc: string, characters: number): PackedBatch {
  const { operations, vectors } = packRecord([upsert(point(doc, 'x'.repeat(characters)))], testDimensions)
  return { records: [operations], vectors: new Float32Array(vectors.flatMap((vector) => [...vector])) }
}

test('a write that the disk has no space for is STATE_IO: it leaves nothing, and is taken when there is space again', async () => {
  await using folder = await temporaryDirectory()
  const path = join(folder.path, 'index.db')
  const full = open(path, 40)
  full.apply(batch('small.md', 10))

  expect(() => full.apply(batch('large.md', 1_000_000))).toThrow(
    expect.objectContaining({ code: 'STATE_IO', reaction: 'fatal', fix: expect.stringContaining('Free space') }),
  )
  full.close()

  const roomy = open(path, 4_000)
  onTestFinished(() => roomy.close())
  expect(roomy.observe(['small.md', 'large.md']).map(({ doc }) => doc)).toEqual(['small.md'])
  roomy.apply(batch('large.md', 1_000_000))
  expect(roomy.observe(['large.md'])).toHaveLength(1)
})
