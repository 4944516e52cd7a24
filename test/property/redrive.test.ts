import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type EmbeddedBroker, embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed, hash } from '../../src/embed/index.ts'
import { FileDocument } from '../../src/file-document.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { readLetters } from '../../src/runtime/dead-letters/dead-letter-topic.ts'
import { type RedriveCounts, redrive } from '../../src/runtime/dead-letters/redrive.ts'
import { TopologyTestDriver } from '../../src/runtime/topology-test-driver.ts'
import { json, string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import type { ChangeEvent } from '../support/change-stream.ts'
import { dump, produceEvents } from '../support/document-pipeline.ts'
import { MemoryIndex } from '../support/memory-index.ts'
import { faultsOf } from '../support/oracle.ts'

const partitions = 2
const letters = 'test-dead-letter'

/** What is wrong with a part of the documents for a while. */
interface Fault {
  isThere: boolean
}

/** The pipeline of `millrace index`, but texts with `poison` in them fail in `chunk` while the fault is there. */
function topologyWith(fault: Fault, index: VectorIndex) {
  const text = ({ text }: FileDocument) => {
    if (fault.isThere && text.includes('poison')) throw new TypeError('poison')
    return text
  }
  const builder = new TopologyBuilder()
  builder
    .stream('documents', kafka({ topic: 'documents', key: string, value: json(FileDocument) }))
    .process(dedupe('unchanged'))
    .process(chunk('chunks', { text }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', hash({ dimensions: 8 })))
    .to('index', index)
  return builder.build()
}

const word = fc.constantFrom('apples', 'bees', 'clay', 'poison')
const key = fc.constantFrom('a', 'b', 'c')
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('write' as const),
      key,
      words: fc.array(word, { minLength: 1, maxLength: 3 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('delete' as const), key }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('redrive' as const), key: fc.option(key, { nil: undefined }) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('repair' as const), isThere: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('settle' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

/** An application and its log, and somebody who writes documents. */
class Played implements AsyncDisposable {
  readonly fault: Fault = { isThere: true }
  readonly events: ChangeEvent[] = []
  readonly driver: TopologyTestDriver
  readonly #log: Broker
  readonly #index: VectorIndex

  private constructor(driver: TopologyTestDriver, log: Broker, index: VectorIndex) {
    this.driver = driver
    this.#log = log
    this.#index = index
  }

  static async start(): Promise<Played> {
    const logs: EmbeddedBroker[] = []
    const index = new MemoryIndex()
    const fault: Fault = { isThere: true }
    const driver = await TopologyTestDriver.start(topologyWith(fault, index), {
      partitions,
      broker: (clock) => {
        const log = embeddedBroker({ clock })
        logs.push(log)
        return log
      },
    })
    const [log] = logs
    if (!log) throw new Error('the driver has no log')
    return Object.assign(new Played(driver, log, index), { fault })
  }

  async take(step: Step, at: number): Promise<void> {
    switch (step.do) {
      case 'write':
        return this.#write({ key: step.key, op: 'upsert', text: `${step.words.join(' ')} ${at}` })
      case 'delete':
        return this.#write({ key: step.key, op: 'delete', text: '' })
      case 'redrive':
        await this.redrive(step.key)
        return
      case 'repair':
        this.fault.isThere = step.isThere
        return
      case 'settle':
        return this.driver.settle()
    }
  }

  redrive(key?: string): Promise<RedriveCounts> {
    const filter = key === undefined ? {} : { key }
    return redrive({ broker: this.#log, application: 'test', topic: letters, clock: this.driver.clock, filter })
  }

  async faults(): Promise<readonly string[]> {
    return faultsOf(this.events, await dump(this.#index))
  }

  async letters(): Promise<number> {
    return (await Array.fromAsync(readLetters(this.#log, letters))).length
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.driver[Symbol.asyncDispose]()
  }

  async #write(event: ChangeEvent): Promise<void> {
    this.events.push(event)
    await produceEvents(this.#log, [event], { topic: 'documents', partitions })
  }
}

test('after any mix of failures, newer versions, deletions and redrives the index equals the latest documents', async () => {
  let given = 0
  const steps = fc.array(step, { minLength: 1, maxLength: 14 })
  await fc.assert(
    fc.asyncProperty(steps, async (taken) => {
      await using played = await Played.start()
      for (const [at, step] of taken.entries()) await played.take(step, at)

      await played.driver.settle()
      played.fault.isThere = false
      await played.redrive()
      await played.driver.settle()

      expect(await played.faults()).toEqual([])
      expect(await played.redrive()).toMatchObject({ redriven: 0 })
      given += await played.letters()
    }),
    { numRuns: 100 },
  )
  expect(given).toBeGreaterThan(30)
})
