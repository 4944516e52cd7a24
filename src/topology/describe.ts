import type { StoreSpec } from '../state/store.ts'
import { type Topology, type TopologyNode, topicOf } from './topology.ts'

/** A topology as data: what `describe --json` prints. Internal topics are named without the application. */
export interface TopologyDescription {
  readonly subtopologies: readonly {
    readonly id: number
    readonly nodes: readonly NodeDescription[]
    /** What it reads. */
    readonly topics: readonly string[]
    readonly stores: readonly StoreDescription[]
  }[]
  /** Those that every instance has as a whole. */
  readonly globalTables: readonly { readonly name: string; readonly topic: string; readonly storage: string }[]
  readonly internalTopics: readonly string[]
  /** Those of the internal topics that are between sub-topologies; partitions null: as many as the topics that feed it. */
  readonly repartitions: readonly { readonly topic: string; readonly partitions: number | null }[]
}

export interface StoreDescription {
  readonly name: string
  readonly kind: StoreSpec['kind']
  /** Names of the serdes. */
  readonly key: string
  readonly value: string
  /** The windows that its rows are values of, in words. */
  readonly windows?: string
  readonly storage: string
  readonly changelog: string | null
  readonly copyOf?: string
}

export interface NodeDescription {
  readonly name: string
  readonly kind: TopologyNode['kind']
  /** The operator, the topic or the target. */
  readonly does: string
  readonly order: 'partition' | 'key'
  /** Only the last result of each key goes out, at commits. Absent: every one does. */
  readonly caching?: true
  readonly stores: readonly string[]
  /** Where it looks rows up. */
  readonly globalTables: readonly string[]
  readonly children: readonly string[]
}

/** Name of the changelog topic of a store without the application, or null when it has none. */
export function changelogOf(spec: StoreSpec): string | null {
  return spec.changelog === false ? null : `${spec.name}-changelog`
}

export function describeTopology(topology: Topology): TopologyDescription {
  const nodes = [...topology.nodes.values()]
  const internal = nodes.flatMap((node) => (node.kind !== 'processor' && node.internal ? (topicOf(node) ?? []) : []))
  const changelogs = [...topology.stores.values()].flatMap((spec) => changelogOf(spec) ?? [])
  return {
    subtopologies: topology.subtopologies.map((part) => ({
      id: part.id,
      nodes: part.nodes.flatMap((name) => describeNode(topology.nodes.get(name))),
      topics: part.topics,
      stores: part.stores.map((spec) => ({
        name: spec.name,
        kind: spec.kind,
        key: spec.key.name,
        value: spec.value.name,
        ...('windows' in spec && spec.windows !== undefined && { windows: spec.windows }),
        storage: spec.storage ?? 'level',
        changelog: changelogOf(spec),
        ...(spec.copyOf !== undefined && { copyOf: spec.copyOf }),
      })),
    })),
    globalTables: [...topology.globalTables.values()].map(({ name, source, store }) => ({
      name,
      topic: source.topic,
      storage: store.storage ?? 'level',
    })),
    internalTopics: [...new Set([...internal, ...changelogs])],
    repartitions: nodes.flatMap((node) =>
      node.kind === 'sink' && node.internal
        ? [{ topic: topicOf(node) ?? node.name, partitions: node.partitions ?? null }]
        : [],
    ),
  }
}

function describeNode(node: TopologyNode | undefined): NodeDescription[] {
  if (!node) return []
  return [
    {
      name: node.name,
      kind: node.kind,
      does: whatItDoes(node),
      order: node.kind === 'source' || node.zone === 'synchronous' ? 'partition' : 'key',
      ...(node.kind === 'processor' && node.supplier.caching && { caching: true as const }),
      stores: node.kind === 'processor' ? node.stores : [],
      globalTables: node.kind === 'processor' ? (node.supplier.globalTables ?? []) : [],
      children: node.children,
    },
  ]
}

function whatItDoes(node: TopologyNode): string {
  if (node.kind === 'processor') return node.supplier.operator
  const topic = topicOf(node)
  if (topic !== undefined) return `topic ${topic}`
  return node.kind === 'sink' && node.target.kind === 'sink' ? node.target.sink.name : ''
}

/** The graph as lines of text, in the manner of Kafka Streams' `Topology.describe()`. */
export function describeAsText(topology: Topology): string {
  const { subtopologies, globalTables, internalTopics } = describeTopology(topology)
  const lines = subtopologies.flatMap((part) => [
    `Sub-topology ${part.id}`,
    ...part.nodes.flatMap((node) => [
      `  ${node.kind} ${node.name} (${node.does})${node.order === 'key' ? ' [by key]' : ''}${node.caching ? ' [cached]' : ''}${listed('stores', node.stores)}${listed('global tables', node.globalTables)}`,
      ...(node.children.length > 0 ? [`    --> ${node.children.join(', ')}`] : []),
    ]),
    ...part.stores.map((store) => `  store ${store.name} (${store.storage}, ${whereFrom(store)})`),
  ])
  const global = globalTables.map(({ name, topic, storage }) => `Global table ${name} (topic ${topic}, ${storage})`)
  const topics = internalTopics.length > 0 ? ['Internal topics', ...internalTopics.map((topic) => `  ${topic}`)] : []
  return [...lines, ...global, ...topics].join('\n')
}

function whereFrom({ changelog, copyOf }: { readonly changelog: string | null; readonly copyOf?: string }): string {
  if (changelog) return `changelog ${changelog}`
  return copyOf === undefined ? 'no changelog' : `restored from topic ${copyOf}`
}

function listed(label: string, names: readonly string[]): string {
  return names.length > 0 ? ` ${label}: ${names.join(', ')}` : ''
}

/** The graph for a Mermaid code block: nodes, their stores with what those are restored from, and global tables. */
export function describeAsMermaid(topology: Topology): string {
  const { subtopologies, globalTables } = describeTopology(topology)
  const nodes = subtopologies.flatMap((part) => part.nodes)
  const idsOf = (letter: string, named: readonly { readonly name: string }[]) =>
    new Map(named.map(({ name }, index) => [name, `${letter}${index}`]))
  const ids = idsOf('n', nodes)
  const stores = idsOf('d', [...topology.stores.values()])
  const tables = idsOf('g', globalTables)
  const lines = subtopologies.flatMap((part) => [
    `  subgraph s${part.id}["Sub-topology ${part.id}"]`,
    ...part.nodes.map((node) => `    ${mermaidNode(node, ids.get(node.name))}`),
    ...part.stores.map((store) => `    ${stores.get(store.name)}[("${store.name}<br/>${whereFrom(store)}")]`),
    '  end',
  ])
  const global = globalTables.map(
    ({ name, topic }) => `  ${tables.get(name)}[("${name}<br/>global table of topic ${topic}")]`,
  )
  const edges = nodes.flatMap(({ name, children, stores: kept, globalTables: read }) => [
    ...children.map((child) => `  ${ids.get(name)} --> ${ids.get(child)}`),
    ...kept.map((store) => `  ${ids.get(name)} -.- ${stores.get(store)}`),
    ...read.map((table) => `  ${tables.get(table)} -.-> ${ids.get(name)}`),
  ])
  return ['flowchart TD', ...lines, ...global, ...edges].join('\n')
}

function mermaidNode({ name, kind, does }: NodeDescription, id: string | undefined): string {
  const [open, close] = kind === 'source' ? ['([', '])'] : kind === 'sink' ? ['[/', '/]'] : ['[', ']']
  return `${id}${open}"${name}<br/>${does.replaceAll('"', "'")}"${close}`
}
