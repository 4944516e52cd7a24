/** The topology that every instance runs: the pipeline of the README, with an embedder that writes down what it has embedded. */
import { appendFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { FileDocument, json, string, TopologyBuilder } from 'millrace'
import { kafka, qdrant } from 'millrace/connectors'
import { type Embedder, embed, hash } from 'millrace/embed'
import { chunk, dedupe, diff } from 'millrace/operators'

const {
  CHAOS_TOPIC = '',
  CHAOS_QDRANT = '',
  CHAOS_NAME = '',
  CHAOS_COUNTER = '',
  CHAOS_INDEX_TIMEOUT = '',
} = process.env

/**
 * Appends the number of texts of each call to a file before it hands out the vectors. A write to a file outlives the process that is
 * killed, so nothing embedded goes uncounted.
 */
function counting(embedder: Embedder, file: string): Embedder {
  return {
    ...embedder,
    async embed(texts, signal) {
      // A model takes its time: some records have to be on their way when their instance is killed.
      await pause(5 + texts.length / 2, undefined, { signal })
      const vectors = await embedder.embed(texts, signal)
      appendFileSync(file, `${texts.length}\n`)
      return vectors
    },
  }
}

const index = qdrant({
  collection: 'documents',
  url: CHAOS_QDRANT,
  // The index tells the instances apart by their keys.
  apiKey: CHAOS_NAME,
  requestTimeoutMs: Number(CHAOS_INDEX_TIMEOUT),
})
const builder = new TopologyBuilder()
builder
  .stream('documents', kafka({ topic: CHAOS_TOPIC, key: string, value: json(FileDocument) }))
  .process(dedupe('unchanged'))
  .process(chunk('chunks', { text: (document) => document.text }))
  .process(diff('changes', { against: index }))
  .process(embed('vectors', counting(hash({ dimensions: 32 }), CHAOS_COUNTER)))
  .to('index', index)

export default builder.build()
