import type { StoreSpec } from '../state/store.ts'
import type { ProcessorSupplier, Sink } from './processor.ts'
import type { TopicSource, TopicTarget } from './source.ts'

/** A supplier whose types the builder has checked and the runtime no longer needs. */
export type AnySupplier = ProcessorSupplier<never, never, unknown, unknown>
export type AnySource = TopicSource<unknown, unknown>
export type AnyTarget = TopicTarget<unknown, unknown>
export type AnySink = Sink<unknown, unknown>

export interface SourceNode {
  readonly kind: 'source'
  readonly name: string
  readonly source: AnySource
  /** The topic is made by the runtime, under the application's name. */
  readonly internal: boolean
  readonly parents: readonly string[]
  readonly children: readonly string[]
}

export interface ProcessorNode {
  readonly kind: 'processor'
  readonly name: string
  readonly supplier: AnySupplier
  readonly stores: readonly string[]
  readonly parents: readonly string[]
  readonly children: readonly string[]
  /** `gate`: at most one record of a key is here or further down. `beyond`: below such a node. */
  readonly zone: Zone
  /** Nodes behind it that write or observe an index. */
  readonly indexEnds: ReadonlySet<string>
  /** There are such nodes. */
  readonly maintainsIndex: boolean
}

export interface SinkNode {
  readonly kind: 'sink'
  readonly name: string
  readonly target: AnyTarget | { readonly kind: 'sink'; readonly sink: AnySink }
  /** The topic belongs to the application and is made by the runtime. */
  readonly internal: boolean
  /** Partition count of an internal topic, when the topology asks for one. */
  readonly partitions: number | undefined
  readonly parents: readonly string[]
  readonly children: readonly string[]
  readonly zone: Zone
}

export type TopologyNode = SourceNode | ProcessorNode | SinkNode

/** Where a node stands relative to the gate; see guarantees.md section 4. */
export type Zone = 'synchronous' | 'gate' | 'beyond'

/** Nodes that exchange records without a topic in between, or share a store: the unit that is cut into tasks by partition. */
export interface Subtopology {
  readonly id: number
  /** Names in an order in which every node comes after its parents. */
  readonly nodes: readonly string[]
  /** Topics that it reads, internal ones without the application's name. */
  readonly topics: readonly string[]
  readonly stores: readonly StoreSpec[]
}

/** What a runtime needs to keep a global table: its topic, and where its rows are. */
export interface GlobalTableSpec {
  readonly name: string
  readonly source: AnySource
  /** A store without changelog: the topic is it. */
  readonly store: StoreSpec
}

/** A frozen description of what to do. Building one does no I/O; running it is the job of a runtime. */
export interface Topology {
  readonly nodes: ReadonlyMap<string, TopologyNode>
  readonly subtopologies: readonly Subtopology[]
  readonly stores: ReadonlyMap<string, StoreSpec>
  /** Those that every instance has as a whole: they belong to no sub-topology. */
  readonly globalTables: ReadonlyMap<string, GlobalTableSpec>
}

/** The full name of an internal topic. */
export function internalTopic(application: string, name: string): string {
  return `${application}-${name}`
}

/** The topic of a node as it is called on the broker. */
export function topicName(node: SourceNode | SinkNode, application: string): string | undefined {
  const topic = topicOf(node)
  return topic !== undefined && node.internal ? internalTopic(application, topic) : topic
}

/** The topics that tables are restored from instead of a changelog, by store. */
export function copiedTopics({ stores }: Pick<Topology, 'stores'>): Map<string, string> {
  return new Map([...stores.values()].flatMap((spec) => (spec.copyOf ? [[spec.name, spec.copyOf] as const] : [])))
}

/** The topics of the global tables. */
export function globalTopics({ globalTables }: Pick<Topology, 'globalTables'>): string[] {
  return [...globalTables.values()].map(({ source }) => source.topic)
}

/** The topic of a source or topic sink, internal ones without the application's name; undefined for other sinks. */
export function topicOf(
  node: Pick<SourceNode, 'kind' | 'source'> | Pick<SinkNode, 'kind' | 'target'>,
): string | undefined {
  if (node.kind === 'source') return node.source.topic
  return node.target.kind === 'topic-target' ? node.target.topic : undefined
}
