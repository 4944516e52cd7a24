import { expect, test } from 'vitest'
import { sqliteIndex } from '../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import { hash } from '../../src/embed/hash.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { diff } from '../../src/operators/diff.ts'
import { string } from '../../src/serde.ts'
import { TopologyTestDriver } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../src/topology/processor.ts'
import type { Stream } from '../../src/topology/stream.ts'

type Untyped = ProcessorSupplier<string, never, string, never>

const documents = kafka({ topic: 'documents', key: string, value: string })
const index = () => sqliteIndex({ path: ':memory:' })

/** The steps in this order, as a file that nobody compiles may have them. */
function topologyOf(target: ReturnType<typeof index>, steps: readonly unknown[]) {
  const builder = new TopologyBuilder()
  let stream = builder.stream('documents', documents) as unknown as Stream<string, never>
  for (const step of steps) stream = stream.process(step as Untyped)
  stream.to('index', target)
  return builder.build()
}

const chunks = chunk<string>('chunks', { text: (text) => text })
const vectors = () => embed('vectors', hash({ dimensions: 8 }))

test.each<[string, (target: ReturnType<typeof index>) => unknown[], RegExp]>([
  [
    'no diff',
    () => [chunks, vectors()],
    /^CONFIG_INVALID: node "vectors" \(embed\) takes the change of a document and was handed something else\. Put `diff` before it/,
  ],
  [
    'no chunk',
    (target) => [diff('changes', { against: target }), vectors()],
    /^CONFIG_INVALID: node "changes" \(diff\) takes chunks of a document and was handed something else\. Put `chunk`/,
  ],
  [
    'diff behind embed',
    (target) => [chunks, vectors(), diff('changes', { against: target })],
    /^CONFIG_INVALID: node "vectors" \(embed\) takes the change of a document/,
  ],
])('a topology with %s stops at the first document and says what is missing', async (_, steps, sentence) => {
  const target = index()
  await using driver = await TopologyTestDriver.start(topologyOf(target, steps(target)))

  await expect(driver.pipe(documents, { key: 'a', value: 'A.' }, { key: 'b', value: 'B.' })).rejects.toThrow(sentence)
})
