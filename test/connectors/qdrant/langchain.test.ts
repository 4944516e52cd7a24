import { Embeddings } from '@langchain/core/embeddings'
import { QdrantVectorStore } from '@langchain/qdrant'
import { expect, it } from 'vitest'
import { point, unitVector, upsert } from '../../support/points.ts'
import { openBench } from './harness.ts'

class TextDirections extends Embeddings {
  constructor() {
    super({})
  }

  override async embedDocuments(texts: string[]): Promise<number[][]> {
    return Promise.all(texts.map((text) => this.embedQuery(text)))
  }

  override async embedQuery(text: string): Promise<number[]> {
    return [...unitVector(text)]
  }
}

it('LangChain.js finds text and metadata in the collection without any options', async () => {
  await using bench = await openBench()
  const points = ['first', 'second', 'third'].map((text) =>
    point('guide.md', text, { heading: 'Guide > Start', metadata: { author: 'Ada' } }),
  )
  await bench.write('guide.md', upsert(...points))

  const store = await QdrantVectorStore.fromExistingCollection(new TextDirections(), {
    url: bench.double.url,
    collectionName: 'c',
  })
  const [found] = await store.similaritySearch('second', 1)

  expect(found).toMatchObject({
    pageContent: 'second',
    metadata: { source: 'guide.md', heading: 'Guide > Start', author: 'Ada' },
  })
})
