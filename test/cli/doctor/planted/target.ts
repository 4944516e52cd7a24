import { join } from 'node:path'
import { systemClock } from '../../../../src/clock.ts'
import { onnx, tei } from '../../../../src/embed/index.ts'
import { writeModelCard } from '../../../../src/embed/models/model-card.ts'
import { fakeModel, startTei } from '../../../support/embedding-servers/index.ts'
import { startQdrantDouble } from '../../../support/qdrant-double.ts'
import { writeTinyModel } from '../../../support/tiny-model.ts'
import type { Fault } from './fault.ts'

/** Waits, and the patience with a server, are over at once. */
const hasty = { ...systemClock, after: (_: number, action: () => void) => systemClock.after(0, action) }
const vectors = { size: 8, distance: 'Cosine' }

/** Behind the pipeline: models and indexes. */
export const targetFaults: readonly Fault[] = [
  {
    name: 'a Qdrant that cannot be reached',
    plant: async (bench) => {
      bench.index = { clock: hasty }
      await bench.qdrant.close()
    },
    expected: { level: 'problem', check: 'index', fact: /Qdrant at .* does not answer/, fix: /Check the URL/ },
  },
  {
    name: 'a Qdrant that is too old',
    plant: async (bench) => {
      await bench.qdrant.close()
      bench.qdrant = await startQdrantDouble({ version: '1.7.4' })
    },
    expected: { level: 'problem', check: 'index', fact: /has version 1\.7/, fix: /Upgrade it to 1\.10/ },
  },
  {
    name: 'a collection for vectors of another length',
    plant: (bench) => bench.ask('PUT', '/collections/docs', { vectors: { ...vectors, size: 16 } }),
    expected: {
      level: 'problem',
      check: 'index',
      fact: /its vectors have 16 dimensions, the model makes 8/,
      fix: /another collection/,
    },
  },
  {
    name: 'a collection that measures otherwise',
    plant: (bench) => bench.ask('PUT', '/collections/docs', { vectors: { ...vectors, distance: 'Euclid' } }),
    expected: {
      level: 'problem',
      check: 'index',
      fact: /its distance is Euclid instead of Cosine/,
      fix: /another coll/,
    },
  },
  {
    name: 'a collection without a payload index',
    plant: async (bench) => {
      await bench.ask('PUT', '/collections/docs', { vectors })
      await bench.ask('PUT', '/collections/docs/index', {
        field_name: '_millrace.partition',
        field_schema: 'integer',
      })
    },
    expected: {
      level: 'warning',
      check: 'index',
      fact: /has no payload index on _millrace\.doc/,
      fix: /`millrace run` makes it/,
    },
  },
  {
    name: 'a collection that another model has filled',
    plant: async (bench) => {
      await bench.ask('PUT', '/collections/docs', { vectors })
      const id = '00000000-0000-4000-8000-000000000001'
      const payload = { _millrace: { doc: 'a', hash: 'x', pipeline: 'an-older-one' } }
      await bench.ask('PUT', '/collections/docs/points', { points: [{ id, vector: Array(8).fill(0.1), payload }] })
      for (const [field_name, field_schema] of [
        ['_millrace.doc', 'keyword'],
        ['_millrace.partition', 'integer'],
      ])
        await bench.ask('PUT', '/collections/docs/index', { field_name, field_schema })
    },
    expected: {
      level: 'warning',
      check: 'index',
      fact: /has points of another pipeline \(an-older-one instead of/,
      fix: /Produce all documents again/,
    },
  },
  {
    name: 'a model that is not there',
    plant: (bench) => {
      bench.embedder = onnx({ model: join(bench.folder.path, 'nowhere') })
    },
    expected: { level: 'problem', check: 'model', fact: /nowhere/, fix: /Name a model of `millrace model list`/ },
  },
  {
    name: 'a model whose file is not the one that was pinned',
    plant: async (bench) => {
      const folder = join(bench.folder.path, 'tiny')
      await writeTinyModel(folder)
      const pins = { 'model.onnx': '0'.repeat(64) }
      await writeModelCard(bench.folder.path, { id: 'tiny', folder, licence: undefined, pins })
      bench.embedder = onnx({ model: 'tiny', modelsFolder: bench.folder.path, workers: 1 })
    },
    expected: { level: 'problem', check: 'model', fact: /model\.onnx/, fix: /Restore the files|model add/ },
  },
  {
    name: 'a dead embedding server',
    plant: async (bench) => {
      const server = await startTei()
      bench.embedder = tei({ urls: [server.url] })
      await server.stop()
    },
    expected: { level: 'problem', check: 'model', fact: /TEI at http\S+ does not answer/, fix: /./ },
  },
  {
    name: 'an embedding server with vectors of another length',
    plant: async (bench) => {
      const server = await startTei({ model: fakeModel({ dimensions: 12 }) })
      bench.later(() => server.stop())
      bench.embedder = tei({ urls: [server.url] })
      await bench.ask('PUT', '/collections/docs', { vectors })
    },
    expected: {
      level: 'problem',
      check: 'index',
      fact: /its vectors have 8 dimensions, the model makes 12/,
      fix: /another collection/,
    },
  },
]
