import type { StoreSpec } from '../state/store.ts'
import type { Sink, VectorIndex } from './processor.ts'
import {
  type AnySource,
  type AnySupplier,
  type GlobalTableSpec,
  type ProcessorNode,
  type SinkNode,
  type SourceNode,
  type Subtopology,
  type Topology,
  type TopologyNode,
  topicOf,
  type Zone,
} from './topology.ts'

/** What the builder collects; `finishGraph` turns it into a Topology once `validate` found no problem. */
export interface GraphDraft {
  readonly nodes: DraftNode[]
  readonly stores: StoreSpec[]
  readonly globalTables: GlobalTableSpec[]
}

export type DraftNode =
  | {
      readonly kind: 'source'
      readonly name: string
      readonly source: AnySource
      readonly internal: boolean
      readonly parents: readonly string[]
    }
  | {
      readonly kind: 'processor'
      readonly name: string
      readonly supplier: AnySupplier
      readonly parents: readonly string[]
    }
  | {
      readonly kind: 'sink'
      readonly name: string
      readonly target: SinkNode['target']
      readonly internal: boolean
      readonly partitions: number | undefined
      readonly parents: readonly string[]
    }

/** Names of the stores that a node uses. */
export function storeNames(node: DraftNode): string[] {
  if (node.kind !== 'processor') return []
  return (node.supplier.stores ?? []).map((store) => (typeof store === 'string' ? store : store.name))
}

/** All store specs of a draft: declared on the builder, or by the node that owns them. */
export function storeSpecs(draft: Pick<GraphDraft, 'nodes' | 'stores'>): StoreSpec[] {
  const owned = draft.nodes.flatMap((node) => (node.kind === 'processor' ? (node.supplier.stores ?? []) : []))
  return [...new Set([...draft.stores, ...owned.filter((store) => typeof store !== 'string')])]
}

/** Children of every node, in the order in which they were added. */
export function childrenOf(nodes: readonly DraftNode[]): Map<string, string[]> {
  const children = new Map<string, string[]>(nodes.map((node) => [node.name, []]))
  for (const node of nodes) for (const parent of node.parents) children.get(parent)?.push(node.name)
  return children
}

/** Nodes in an order in which parents come first; nodes on a cycle are missing from it. */
export function topologicalOrder(nodes: readonly DraftNode[]): DraftNode[] {
  const ordered = new Set<string>()
  const result: DraftNode[] = []
  let remaining = [...nodes]
  for (let before = -1; before !== result.length; ) {
    before = result.length
    const ready = remaining.filter((node) => node.parents.every((parent) => ordered.has(parent)))
    for (const node of ready) ordered.add(node.name)
    result.push(...ready)
    remaining = remaining.filter((node) => !ordered.has(node.name))
  }
  return result
}

/** Which side of the gate every node is on. A node that asks for `order: 'key'` opens the gate unless it stands beyond one already. */
export function zonesOf(ordered: readonly DraftNode[]): Map<string, Zone> {
  const zones = new Map<string, Zone>()
  for (const node of ordered) {
    const beyond = node.parents.some((parent) => zones.get(parent) !== 'synchronous')
    const gate = node.kind === 'processor' && node.supplier.order === 'key'
    zones.set(node.name, beyond ? 'beyond' : gate ? 'gate' : 'synchronous')
  }
  return zones
}

export function isVectorIndex(sink: Sink<never, never>): sink is VectorIndex {
  return 'observe' in sink && 'scan' in sink
}

/** Of each node those that write or observe an index and to which a path leads from it, also through topics of the application's own. */
export function indexEndsOf(nodes: readonly DraftNode[]): Map<string, ReadonlySet<string>> {
  const ends = new Map(nodes.map(({ name }) => [name, new Set<string>()]))
  const feeders = feedersOf(nodes)
  for (const end of nodes.filter(touchesIndex))
    for (const name of upstreamOf(feeders.get(end.name) ?? [], feeders)) ends.get(name)?.add(end.name)
  return ends
}

/** Of each node those that its records come from, also through topics of the application's own. */
export function feedersOf(nodes: readonly DraftNode[]): Map<string, readonly string[]> {
  const writersOf = (topic: string | undefined) =>
    nodes.filter((node) => node.kind === 'sink' && node.internal && topicOf(node) === topic).map(({ name }) => name)
  return new Map(
    nodes.map((node) => [node.name, node.kind === 'source' && node.internal ? writersOf(topicOf(node)) : node.parents]),
  )
}

/** These nodes and all that their records come from. */
export function upstreamOf(names: readonly string[], feeders: ReadonlyMap<string, readonly string[]>): Set<string> {
  const upstream = new Set(names)
  for (const name of upstream) for (const feeder of feeders.get(name) ?? []) upstream.add(feeder)
  return upstream
}

function touchesIndex(node: DraftNode): boolean {
  if (node.kind === 'sink') return node.target.kind === 'sink' && isVectorIndex(node.target.sink)
  return node.kind === 'processor' && (node.supplier.observes?.length ?? 0) > 0
}

/** Freezes a valid draft. */
export function finishGraph(draft: GraphDraft): Topology {
  const ordered = topologicalOrder(draft.nodes)
  const children = childrenOf(draft.nodes)
  const zones = zonesOf(ordered)
  const indexEnds = indexEndsOf(ordered)
  const nodes = new Map<string, TopologyNode>()
  for (const node of ordered) {
    const links = { parents: node.parents, children: Object.freeze(children.get(node.name) ?? []) }
    const zone = zones.get(node.name) ?? 'synchronous'
    const place = { zone, indexEnds: indexEnds.get(node.name) ?? new Set() }
    nodes.set(node.name, Object.freeze(finishNode(node, links, place)))
  }
  const stores = new Map(storeSpecs(draft).map((spec) => [spec.name, Object.freeze(spec)]))
  const globalTables = new Map(draft.globalTables.map((table) => [table.name, Object.freeze(table)]))
  const subtopologies = Object.freeze(subtopologiesOf(ordered, stores))
  return Object.freeze({ nodes, stores, globalTables, subtopologies })
}

function finishNode(
  node: DraftNode,
  links: Pick<TopologyNode, 'parents' | 'children'>,
  place: Pick<ProcessorNode, 'zone' | 'indexEnds'>,
): TopologyNode {
  if (node.kind === 'source') return { ...node, ...links } satisfies SourceNode
  if (node.kind === 'sink') return { ...node, ...links, zone: place.zone } satisfies SinkNode
  const maintainsIndex = place.indexEnds.size > 0
  return { ...node, ...links, ...place, maintainsIndex, stores: storeNames(node) } satisfies ProcessorNode
}

/** Connected components over edges and shared stores, numbered in the order of their first node. */
function subtopologiesOf(ordered: readonly DraftNode[], stores: ReadonlyMap<string, StoreSpec>): Subtopology[] {
  const component = new Map<string, string>(ordered.map((node) => [node.name, node.name]))
  const rootOf = (name: string): string => {
    const parent = component.get(name) ?? name
    return parent === name ? name : rootOf(parent)
  }
  const firstUser = new Map<string, string>()
  for (const node of ordered) {
    for (const parent of node.parents) component.set(rootOf(parent), rootOf(node.name))
    for (const store of storeNames(node)) {
      component.set(rootOf(firstUser.get(store) ?? node.name), rootOf(node.name))
      firstUser.set(store, node.name)
    }
  }
  const groups = Map.groupBy(ordered, (node) => rootOf(node.name))
  return [...groups.values()].map((members, id) =>
    Object.freeze({
      id,
      nodes: members.map((node) => node.name),
      topics: members.flatMap((node) => (node.kind === 'source' ? [node.source.topic] : [])),
      stores: [...new Set(members.flatMap(storeNames))].flatMap((name) => stores.get(name) ?? []),
    }),
  )
}

/** Topics that a draft reads or writes, with the node that does it. */
export function topicsOf(nodes: readonly DraftNode[], kind: 'source' | 'sink'): { topic: string; node: string }[] {
  return nodes.flatMap((node) => {
    if (node.kind === 'processor' || node.kind !== kind) return []
    const topic = topicOf(node)
    return topic === undefined ? [] : [{ topic, node: node.name }]
  })
}
