import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { vectorIndexFeatures } from './vector-index.features.ts'

vectorIndexFeatures(
  'VectorIndex on SQLite',
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-index-'))
    return {
      client: () => sqliteIndex({ path: join(folder, 'index.db') }),
      dispose: () => rm(folder, { recursive: true, force: true }),
    }
  },
  { text: true },
)
