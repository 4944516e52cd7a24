import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type SqliteIndexOptions, sqliteIndex } from '../../../../src/connectors/embedded/sqlite-index.ts'
import type { IndexOp } from '../../../../src/model.ts'
import type { VectorIndex } from '../../../../src/topology/processor.ts'
import { change, point, remove, testDimensions, upsert } from '../../../support/points.ts'
import { temporaryDirectory } from '../../../support/temporary-directory.ts'

let folder: Awaited<ReturnType<typeof temporaryDirectory>>
let path: string
const opened: VectorIndex[] = []

beforeEach(async () => {
  folder = await temporaryDirectory()
  path = join(folder.path, 'index.db')
})
afterEach(async () => {
  await Promise.all(opened.splice(0).map((index) => index.close()))
  await folder[Symbol.asyncDispose]()
})

async function open(options: SqliteIndexOptions = {}): Promise<VectorIndex> {
  const index = sqliteIndex({ path, ...options })
  opened.push(index)
  await index.open({ id: 'pipeline-a', dimensions: testDimensions })
  return index
}

async function write(index: VectorIndex, key: string, ...operations: IndexOp[]): Promise<void> {
  await index.writer('0_0').write(change(key, ...operations), new AbortController().signal)
}

describe('a file of format 1', () => {
  /** Makes what the first version wrote out of the file: one word a run of characters, read from `points`. */
  function toFormat1(): void {
    using database = new DatabaseSync(path)
    database.exec(`
      DROP TRIGGER point_inserted; DROP TRIGGER point_deleted; DROP TRIGGER meaning_changed;
      DROP TABLE terms; DROP TABLE texts;
      CREATE VIRTUAL TABLE texts USING fts5 (
        meaning, content = 'points', content_rowid = 'row', tokenize = 'porter unicode61 remove_diacritics 2'
      );
      CREATE VIRTUAL TABLE terms USING fts5vocab (texts, 'row');
      CREATE TRIGGER point_inserted AFTER INSERT ON points BEGIN
        INSERT INTO texts (rowid, meaning) VALUES (new.row, new.meaning);
      END;
      CREATE TRIGGER point_deleted AFTER DELETE ON points BEGIN
        INSERT INTO texts (texts, rowid, meaning) VALUES ('delete', old.row, old.meaning);
        DELETE FROM vectors WHERE row = old.row;
      END;
      CREATE TRIGGER meaning_changed AFTER UPDATE OF meaning ON points WHEN old.meaning IS NOT new.meaning BEGIN
        INSERT INTO texts (texts, rowid, meaning) VALUES ('delete', old.row, old.meaning);
        INSERT INTO texts (rowid, meaning) VALUES (new.row, new.meaning);
      END;
      INSERT INTO texts (texts) VALUES ('rebuild');
      PRAGMA user_version = 1`)
  }

  const tokyo = '\u79c1\u306f\u6771\u4eac\u306b\u4f4f\u3093\u3067\u3044\u307e\u3059'
  const hits = async (index: VectorIndex, text: string) =>
    (await index.search({ text }, { mode: 'text' })).map((hit) => hit.payload.content)

  beforeEach(async () => {
    const index = await open()
    await write(index, 'a', upsert(point('a', 'Mills grind'), point('a', tokyo)))
    await index.close()
    toFormat1()
  })

  test('is brought to the present one, and goes on', async () => {
    const index = await open()

    await write(index, 'a', remove(point('a', 'Mills grind')))
    await write(index, 'a', upsert(point('a', 'Mills turn')))

    expect(await hits(index, 'mills')).toEqual(['Mills turn'])
    expect(await hits(index, '\u6771\u4eac')).toEqual([tokyo])
  })

  test('can be read as it is', async () => {
    const index = await open({ readOnly: true })

    expect(await hits(index, 'mill')).toEqual(['Mills grind'])
  })
})
