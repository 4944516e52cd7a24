import type { RuntimeSettingsInput } from '../src/config.ts'
import { kafka, kafkaTopic, kafkaTopics } from '../src/connectors/index.ts'
import { nullable, type Serde, string } from '../src/serde.ts'
import { TopologyBuilder } from '../src/topology/builder.ts'
import type { GlobalTable } from '../src/topology/global-table.ts'
import type { ProcessorSupplier } from '../src/topology/processor.ts'
import type { TopicSource, TopicTarget } from '../src/topology/source.ts'
import type { Stream, Table } from '../src/topology/stream.ts'
import type { TableHistory } from '../src/topology/table.ts'
import type { TopicChoice } from '../src/topology/topic-choice.ts'
import type { Topology } from '../src/topology/topology.ts'
import { sessionWindowed, timeWindowed, type Windowed } from '../src/windowed.ts'

/** JSON of anything, as the recordings have it. */
export const anyJson: Serde<unknown> = {
  name: 'json',
  serialize: (value) => Buffer.from(JSON.stringify(value)),
  deserialize: (bytes) => JSON.parse(Buffer.from(bytes).toString()),
}

/** Bytes that are no JSON are `{ hex }`. */
const jsonOrHex: Serde<unknown> = {
  ...anyJson,
  deserialize: (bytes) => {
    try {
      return anyJson.deserialize(bytes)
    } catch {
      return { hex: Buffer.from(bytes).toString('hex') }
    }
  },
}

export type Key = string | Windowed<string> | null
export type AnyStream = Stream<string | null, unknown>

/** A topology that plays a recording: what goes in and comes out under the recording's own names. */
export class PlayedTopology {
  readonly builder = new TopologyBuilder()
  /** Tables that are read from a topic hold their updates back. */
  readonly #caching: boolean
  readonly sources = new Map<string, TopicSource<string | null, unknown>>()
  readonly targets = new Map<string, TopicTarget<Key, unknown>>()
  /** What functions were called with since the last step. */
  readonly trace: unknown[] = []

  /** Of the runtime, where the recording asks for others than the usual ones. */
  settings: Partial<RuntimeSettingsInput> = {}

  /** Stores of joins of streams, and their names in the recordings. Ours hold what came at one time as a list. */
  readonly joinStores = new Map<string, string>()

  constructor({ caching }: { readonly caching: boolean }) {
    this.#caching = caching
  }

  stream(topic = 'in', options: Pick<TopicSource<string | null, unknown>, 'timestamp'> = {}): AnyStream {
    const source = kafka({ topic, key: nullable(string), value: anyJson, ...options })
    this.sources.set(topic, source)
    return this.builder.stream(topic, source)
  }

  /** Under the name of its store. */
  table(name: string, topic: string, storage: 'level' | 'memory', history: TableHistory = {}): Table<string, unknown> {
    const source = kafka({ topic, key: string, value: anyJson })
    this.sources.set(topic, source as TopicSource<string | null, unknown>)
    const caching = this.#caching && history.historyMs === undefined
    return this.builder.table(name, source, { storage, caching, ...history })
  }

  globalTable(name: string, topic: string, storage: 'level' | 'memory'): GlobalTable<string, unknown> {
    const source = kafka({ topic, key: string, value: anyJson })
    this.sources.set(topic, source as TopicSource<string | null, unknown>)
    return this.builder.globalTable(name, source, { storage })
  }

  to(stream: Stream<string | null, unknown>, topic = 'out'): this {
    return this.#to(stream, topic, string)
  }

  /** To the topic that `choose` names of these. */
  toOneOf(stream: AnyStream, topics: readonly string[], choose: TopicChoice<string | null, unknown>['choose']): void {
    const choice = kafkaTopics({ topics, choose, key: nullable(string), value: anyJson })
    for (const target of choice.targets) this.targets.set(target.topic, target as TopicTarget<Key, unknown>)
    stream.to('to-one', choice)
  }

  /** The topic of the records that were given up is looked at too. */
  deadLetters(topic: string): void {
    this.targets.set(topic, kafkaTopic({ topic, key: string as Serde<Key>, value: jsonOrHex }))
  }

  /** `sizeMs` undefined: sessions. */
  toWindowed(stream: Stream<Windowed<string>, unknown>, sizeMs: number | undefined, topic = 'out'): this {
    return this.#to(stream, topic, sizeMs === undefined ? sessionWindowed(string) : timeWindowed(string, sizeMs))
  }

  build(): Topology {
    return this.builder.build()
  }

  #to<K>(stream: Stream<K | null, unknown>, topic: string, key: Serde<NonNullable<K>>): this {
    const target = kafkaTopic({ topic, key: key as Serde<K | null>, value: anyJson })
    this.targets.set(topic, target as unknown as TopicTarget<Key, unknown>)
    stream.to(`${stream.name}-to-${topic}`, target)
    return this
  }
}

/** What `flatMapValues` is there: our own lets tombstones pass, which `flatMapValues_s11` shows. For where that is not what is looked at. */
export function severalOf(
  name: string,
  values: (value: unknown) => readonly unknown[],
): ProcessorSupplier<string | null, unknown, string | null, unknown> {
  return {
    name,
    operator: 'severalOf',
    create: () => ({
      process: (record, context) => {
        for (const value of values(record.value)) context.forward({ ...record, value })
      },
    }),
  }
}

/** What `filter` is there: our own lets tombstones pass, which `filter_s11` shows. For where that is not what is looked at. */
export function onlyWithValue(
  name: string,
  passes: (value: unknown) => boolean,
): ProcessorSupplier<string | null, unknown, string | null, unknown> {
  return {
    name,
    operator: 'onlyWithValue',
    create: () => ({
      process: (record, context) => {
        if (record.value !== null && passes(record.value)) context.forward(record)
      },
    }),
  }
}
