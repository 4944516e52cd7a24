// Keeps a Qdrant collection equal to the documents of a Kafka topic.
//
//   npm run -s millrace -- run examples/documents.ts --brokers 127.0.0.1:9092
//
// Start it twice, or on two machines: the consumer group spreads the partitions.
import { json, string, TopologyBuilder } from 'millrace'
import { kafka, qdrant } from 'millrace/connectors'
import { embed, onnx, tokenLimit } from 'millrace/embed'
import { chunk, dedupe, diff } from 'millrace/operators'
import { z } from 'zod'

const Document = z.object({ path: z.string(), text: z.string(), author: z.string().optional() })
const index = qdrant({ collection: 'documents', url: process.env.QDRANT_URL ?? 'http://127.0.0.1:6333' })
const model = onnx({ model: 'all-MiniLM-L6-v2' })

const builder = new TopologyBuilder()
builder
  .stream('documents', kafka({ topic: 'documents', key: string, value: json(Document) }))
  .process(dedupe('unchanged'))
  .process(chunk('chunks', { text: (d) => d.text, metadata: (d) => ({ author: d.author }), limit: tokenLimit(model) }))
  .process(diff('changes', { against: index }))
  .process(embed('vectors', model))
  .to('index', index)

export default builder.build()
