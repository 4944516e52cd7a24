import { ManualClock } from '../../src/clock.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { embed } from '../../src/embed/embed.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { StreamError } from '../../src/errors.ts'
import { chunk } from '../../src/operators/chunk.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { diff } from '../../src/operators/diff.ts'
import { partitionFor } from '../../src/partitioner.ts'
import { noHeaders } from '../../src/record.ts'
import type { CommitOffset } from '../../src/runtime/broker.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { VectorIndex } from '../../src/topology/processor.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { HeldIndex } from './held-index.ts'
import { Instance } from './instance.ts'
import { format } from './memory-level.ts'
import { type Action, type InstanceName, lineOf, type Script, textOf, type Version } from './script.ts'

export const application = 'protocol'
export const topic = 'documents'

export interface Produced {
  readonly key: string
  readonly version: Version
  readonly partition: number
  readonly offset: number
}

interface Document {
  readonly words: readonly string[]
  readonly mark: number
}

const document = msgpack<Document>()

/** One broker, one index, up to two instances of the same application, and what happens to them. */
export class World {
  readonly clock = new ManualClock(1_000_000)
  readonly script: Script
  readonly broker: EmbeddedBroker
  readonly index: HeldIndex
  readonly instances: ReadonlyMap<InstanceName, Instance>
  readonly produced: Produced[] = []
  readonly faults: string[] = []
  readonly #committed = new Map<number, number>()
  readonly #traced: string[] | undefined
  #embedFailures: ('text' | 'device')[] = []
  #brokerFailures: { readonly what: 'send' | 'commit'; readonly applied: boolean }[] = []
  #slowTurns = 0

  private constructor(script: Script, traced: string[] | undefined) {
    this.script = script
    this.#traced = traced
    // The script alone decides when a log is compacted.
    this.broker = embeddedBroker({ clock: this.clock, cleanIntervalMs: 2 ** 40 })
    this.index = new HeldIndex({ clock: this.clock, trace: this.trace, fault: this.fault })
    this.instances = new Map([
      ['one', new Instance('one', this)],
      ['two', new Instance('two', this)],
    ])
  }

  static async open(script: Script, traced?: string[]): Promise<World> {
    format()
    const world = new World(script, traced)
    await world.broker.open()
    await world.broker.createTopics([{ topic, partitions: script.partitions, cleanup: 'compact' }])
    world.instance('one').start()
    return world
  }

  readonly trace = (line: string): void => {
    this.#traced?.push(`    ${this.clock.now() - 1_000_000} ms  ${line}`)
  }

  readonly fault = (line: string): void => {
    this.trace(`FAULT: ${line}`)
    this.faults.push(line)
  }

  instance(name: InstanceName): Instance {
    const found = this.instances.get(name)
    if (!found) throw new Error(`no instance ${name}`)
    return found
  }

  other(name: InstanceName): Instance {
    return this.instance(name === 'one' ? 'two' : 'one')
  }

  committedOffset(partition: number): number {
    return this.#committed.get(partition) ?? 0
  }

  async act(action: Action): Promise<void> {
    this.trace(`> ${lineOf(action)}`)
    await this.#perform(action)
  }

  /** Lets the event loop go round, with a look at the log in every turn. */
  async turns(count: number): Promise<void> {
    for (let turn = 0; turn < count; turn++) {
      for (const instance of this.instances.values()) if (!instance.isStalled) await instance.broker?.fetch()
      await nextTurn()
    }
  }

  /** From here on everything works. */
  heal(): void {
    this.trace('> from here on everything works')
    this.#embedFailures = []
    this.#brokerFailures = []
    this.#slowTurns = 0
    this.index.isAnswering = true
    this.index.answerAll()
    for (const instance of this.instances.values()) instance.heal()
  }

  // ---- what instances ask for

  readonly controls = {
    clock: this.clock,
    trace: this.trace,
    slowTurns: () => this.#slowTurns,
    takeFailure: (what: 'send' | 'commit') => {
      const place = this.#brokerFailures.findIndex((failure) => failure.what === what)
      return place < 0 ? undefined : this.#brokerFailures.splice(place, 1)[0]
    },
    committed: ({ topic: of, partition, offset, metadata }: CommitOffset) => {
      if (of !== topic) return
      this.trace(`${of}-${partition} is committed at ${offset}, ${metadata}`)
      const before = this.committedOffset(partition)
      if (offset < before)
        this.fault(`the committed offset of ${of}-${partition} went from ${before} back to ${offset}`)
      this.#committed.set(partition, offset)
    },
  }

  topology(against: VectorIndex): Topology {
    const builder = new TopologyBuilder()
    builder
      .stream(topic, kafka({ topic, key: string, value: document }))
      .process(dedupe('unchanged'))
      .process(
        chunk('chunks', {
          text: ({ words }: Document) => words.join('\n\n'),
          metadata: ({ mark }: Document) => ({ mark }),
          kind: 'plain',
          min: 0,
          max: 6,
        }),
      )
      .process(diff('changes', { against }))
      .process(embed('vectors', this.#embedder()))
      .to('index', against)
    return builder.build()
  }

  #embedder(): Embedder {
    const vector = Float32Array.of(1)
    return {
      id: 'one-number',
      dimensions: 1,
      maxTokens: Number.POSITIVE_INFINITY,
      open: async () => undefined,
      close: async () => undefined,
      stats: { texts: 0, sharedTexts: 0, tokens: 0, batches: 0, paddingRatio: 0, truncatedTexts: 0 },
      embed: async (texts, signal) => {
        signal.throwIfAborted()
        const failure = this.#embedFailures.shift()
        if (failure) this.trace(`embedding fails: ${failure}`)
        if (failure === 'text') throw new StreamError('EMBED_TEXT', 'the model gives no number')
        if (failure === 'device') throw new StreamError('EMBED_FAILED', 'the device is gone')
        return texts.map(() => vector)
      },
    }
  }

  // ---- actions

  async #perform(action: Action): Promise<void> {
    switch (action.kind) {
      case 'produce':
        return this.#produce(action.key, action.version)
      case 'advance':
        return this.clock.advance(action.ms)
      case 'answer':
        return this.index.answer(action.request, action.outcome)
      case 'answer-all':
        return this.index.answerAll()
      case 'compact':
        return this.#compact(action.what)
      case 'embed-fails':
        return void this.#embedFailures.push(action.how)
      case 'broker-fails':
        return void this.#brokerFailures.push(action)
      case 'slow-broker':
        this.#slowTurns = action.turns
        return
      default:
        return this.#performOn(this.instance(action.instance), action)
    }
  }

  async #performOn(instance: Instance, action: Extract<Action, { instance: InstanceName }>): Promise<void> {
    switch (action.kind) {
      case 'stall':
        instance.isStalled = action.on
        return
      case 'answer-to':
        return this.index.answerTo(action.instance)
      case 'fetch':
        return instance.broker?.fetch(action.records)
      case 'start':
        return instance.start({ wiped: action.wiped })
      case 'close':
        return instance.close()
      case 'crash':
        return instance.crash(action.fates, action.next)
      case 'crash-at':
        instance.crashAt(action)
        return
      case 'evict':
        return instance.evict(action.fates)
      case 'cut-off':
        return instance.cutOff(action.fates, action.forMs)
    }
  }

  async #produce(key: string, version: Version): Promise<void> {
    const bytes = Buffer.from(key)
    const partition = partitionFor(bytes, this.script.partitions)
    const producer = await this.broker.producer()
    const value = version === null ? null : document.serialize(version)
    const timestamp = this.produced.length + 1
    const [offset = -1] = await producer.send([{ topic, partition, key: bytes, value, timestamp, headers: noHeaders }])
    await producer.close()
    this.trace(`${topic}-${partition} offset ${offset}: version ${timestamp} of ${key}: ${textOf(version)}`)
    this.produced.push({ key, version, partition, offset })
  }

  async #compact(what: 'documents' | 'changelogs'): Promise<void> {
    const topics =
      what === 'documents' ? [topic] : [`${application}-unchanged-changelog`, `${application}-changes-changelog`]
    const existing = await this.broker.topics(topics)
    for (const name of existing.keys()) await this.broker.compact(name)
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
