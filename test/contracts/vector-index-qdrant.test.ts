import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { vectorIndexFeatures } from './vector-index.features.ts'

vectorIndexFeatures(
  'VectorIndex on the double of Qdrant',
  async () => {
    const double = await startQdrantDouble()
    return { client: () => qdrant({ collection: 'c', url: double.url }), dispose: () => double.close() }
  },
  { text: false },
)

const url = process.env.QDRANT_URL

describe.skipIf(url === undefined)('with a server', () => {
  vectorIndexFeatures(
    'VectorIndex on Qdrant',
    async () => {
      const collection = `millrace-test-${randomUUID()}`
      return {
        client: () => qdrant({ collection, url: url ?? '' }),
        dispose: async () => {
          await fetch(`${url}/collections/${collection}`, { method: 'DELETE' })
        },
      }
    },
    { text: false },
  )
})
