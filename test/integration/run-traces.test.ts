import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { holds, startMillrace } from '../support/command-line.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const sdk = fileURLToPath(new URL('../support/print-spans.ts', import.meta.url))
const traceId = '0af7651916cd43dd8448eb211c80319c'

/** A pipeline with a model, whose batches are spans as well. */
function pipelineFile(topic: string, url: string): string {
  return `application: ${topic}
source: { topic: ${topic}, format: file }
model: { onnx: { model: all-MiniLM-L6-v2, workers: 1 } }
index: { qdrant: { collection: documents, url: ${url} } }
`
}

test.skipIf(kafkaBrokers.length === 0)(
  '`run` traces a record from the headers of its producer into the index, where the process has an SDK',
  async () => {
    await using folder = await temporaryDirectory()
    await using double = await startQdrantDouble()
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const topic = `run-traces-${Date.now()}`
    await broker.createTopics([{ topic, partitions: 1 }])
    const producer = await broker.producer()
    const headers = [{ key: 'traceparent', value: Buffer.from(`00-${traceId}-b7ad6b7169203331-01`) }]
    const value = Buffer.from(JSON.stringify({ path: 'a.md', text: 'Mills grind grain.' }))
    await producer.send([{ topic, partition: 0, key: Buffer.from('a'), value, timestamp: 1, headers }])
    const file = join(folder.path, 'documents.yaml')
    await writeFile(file, pipelineFile(topic, double.url))

    const command = startMillrace(['run', file, '--brokers', kafkaBrokers.join(',')], {
      cwd: folder.path,
      env: { NODE_OPTIONS: `--import ${sdk}` },
    })
    await holds(() => command.log().includes(`span ${traceId} process ${topic}`), command)
    command.child.kill('SIGTERM')
    const { code, stderr } = await command.result

    const spans = stderr.split('\n').filter((line) => line.startsWith('span '))
    expect(code).toBe(0)
    expect(spans.filter((line) => line.includes(traceId))).toEqual([
      `span ${traceId} write documents`,
      `span ${traceId} process ${topic}`,
    ])
    expect(spans.map((line) => line.split(' ').slice(2).join(' '))).toEqual(
      expect.arrayContaining([`receive ${topic}`, 'embed vectors']),
    )
  },
)
