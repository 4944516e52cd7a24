import { randomUUID } from 'node:crypto'
import { describe } from 'vitest'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { vectorIndexFeatures } from './vector-index.features.ts'

describe.each([
  ['the double of Qdrant', false],
  ['the double of Qdrant with a fence', true],
])('on %s', (what, fence) => {
  vectorIndexFeatures(
    `VectorIndex on ${what}`,
    async () => {
      const double = await startQdrantDouble({ version: '1.19.0' })
      return { client: () => qdrant({ collection: 'c', url: double.url, fence }), dispose: () => double.close() }
    },
    { text: false },
  )
})

const url = process.env.QDRANT_URL

/** Before 1.19 there is no fence. */
async function fencesOf(server: string): Promise<boolean[]> {
  const { version } = (await (await fetch(server)).json()) as { version: string }
  const [major = 0, minor = 0] = version.split('.').map(Number)
  return major > 1 || minor >= 19 ? [false, true] : [false]
}

describe.skipIf(url === undefined)('with a server', async () => {
  for (const fence of url === undefined ? [false] : await fencesOf(url)) {
    vectorIndexFeatures(
      fence ? 'VectorIndex on Qdrant with a fence' : 'VectorIndex on Qdrant',
      async () => {
        const collection = `millrace-test-${randomUUID()}`
        return {
          client: () => qdrant({ collection, url: url ?? '', fence }),
          dispose: async () => {
            await fetch(`${url}/collections/${collection}`, { method: 'DELETE' })
          },
        }
      },
      { text: false },
    )
  }
})
