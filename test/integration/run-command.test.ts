import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { book500, changeStream } from '../support/change-stream.ts'
import { holds, millrace, startMillrace } from '../support/command-line.ts'
import { dump } from '../support/document-pipeline.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { faultsOf } from '../support/oracle.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const partitions = 6

/** A topology file in a folder of its own, far from the package. */
function topologyFile(topic: string, url: string): string {
  return `
import { FileDocument, json, string, TopologyBuilder } from 'millrace'
import { kafka, qdrant } from 'millrace/connectors'
import { embed, hash } from 'millrace/embed'
import { chunk, dedupe, diff } from 'millrace/operators'

const index = qdrant({ collection: 'documents', url: '${url}', requestTimeoutMs: 1_000 })
const builder = new TopologyBuilder()
builder
  .stream('documents', kafka({ topic: '${topic}', key: string, value: json(FileDocument) }))
  .process(dedupe('unchanged'))
  .process(chunk('chunks', { text: (document) => document.text }))
  .process(diff('changes', { against: index }))
  .process(embed('vectors', hash({ dimensions: 32 })))
  .to('index', index)
export default builder.build()
`
}

async function recordsBehind(broker: Broker, topic: string, group: string): Promise<number> {
  const all = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const [ends, committed] = await Promise.all([broker.offsets(all), broker.committed(group, all)])
  return ends.reduce((sum, end, at) => sum + end.latest - (committed[at]?.offset ?? 0), 0)
}

test.skipIf(kafkaBrokers.length === 0)('a signal while `run` starts ends it in order', async () => {
  await using folder = await temporaryDirectory()
  await using double = await startQdrantDouble()
  await using broker = kafkaBroker({ brokers: kafkaBrokers })
  await broker.open()
  const topic = `run-start-${Date.now()}`
  await broker.createTopics([{ topic, partitions }])
  const file = join(folder.path, 'topology.ts')
  await writeFile(file, topologyFile(topic, double.url))

  const command = startMillrace(['run', file, '--brokers', kafkaBrokers.join(','), '--application', topic], {
    cwd: folder.path,
  })
  await holds(() => command.log().includes('the runtime is starting'), command)
  command.child.kill('SIGTERM')

  expect(await command.result).toMatchObject({ code: 0, signal: null })
})

test.skipIf(kafkaBrokers.length === 0)(
  'two processes between Kafka and Qdrant, one of them killed: the index ends right',
  async () => {
    await using folder = await temporaryDirectory()
    await using double = await startQdrantDouble()
    await using broker = kafkaBroker({ brokers: kafkaBrokers })
    await broker.open()
    const topic = `run-${Date.now()}`
    const brokers = kafkaBrokers.join(',')
    const file = join(folder.path, 'topology.ts')
    await writeFile(file, topologyFile(topic, double.url))
    const run = (state: string) =>
      startMillrace([
        ...['run', file, '--brokers', brokers, '--application', topic, '--state', join(folder.path, state)],
        ...['--set', 'sessionTimeoutMs=3000', '--set', 'commitIntervalMs=200'],
      ])

    const behind = (most: number) => async () => (await recordsBehind(broker, topic, topic)) <= most

    // given: two instances at work on the stream
    const produced = await millrace([
      'produce',
      book500,
      '--topic',
      topic,
      '--brokers',
      brokers,
      '--partitions',
      `${partitions}`,
    ])
    const [one, two] = [run('one'), run('two')]
    await holds(behind(1_100), one, two)

    // when: one is killed, and later started again
    one.child.kill('SIGKILL')
    await one.result
    const again = run('one')
    await holds(() => again.log().includes('the runtime is running'), two, again)
    await holds(behind(0), two, again)
    two.child.kill('SIGTERM')
    again.child.kill('SIGINT')
    const ends = await Promise.all([two.result, again.result])

    // then: nothing is lost, nothing is left over, and both said goodbye in order
    const index = qdrant({ collection: 'documents', url: double.url })
    await index.open({ id: '', dimensions: 32 })
    expect(produced.code).toBe(0)
    expect(ends.map(({ code }) => code)).toEqual([0, 0])
    expect(faultsOf(changeStream(book500), await dump(index))).toEqual([])
    await index.close()
  },
)
