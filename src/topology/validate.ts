import type { StoreSpec } from '../state/store.ts'
import {
  type DraftNode,
  type GraphDraft,
  storeNames,
  storeSpecs,
  topicsOf,
  topologicalOrder,
  zonesOf,
} from './graph.ts'
import { partedProblems } from './parted.ts'

/** Names become parts of topic names and file names, so they follow the broker's rules for topics. */
const legalName = /^[a-zA-Z0-9._-]{1,150}$/

/** Every problem of a draft, a sentence each; empty when it can be built. */
export function validate(draft: GraphDraft): string[] {
  return [
    ...nameProblems(draft),
    ...storeProblems(draft),
    ...globalTableProblems(draft),
    ...linkProblems(draft),
    ...topicProblems(draft),
    ...gateProblems(draft),
    ...partedProblems(draft),
  ]
}

function nameProblems({ nodes }: GraphDraft): string[] {
  const problems: string[] = []
  const seen = new Set<string>()
  for (const { name, kind } of nodes) {
    if (typeof name !== 'string' || name === '') problems.push(`a ${kind} has no name`)
    else if (!legalName.test(name))
      problems.push(`the name ${quote(name)} may hold only letters, digits, ".", "_" and "-"`)
    else if (seen.has(name)) problems.push(`two nodes have the name ${quote(name)}`)
    seen.add(name)
  }
  return problems
}

function storeProblems(draft: GraphDraft): string[] {
  const specs = storeSpecs(draft)
  const used = new Set(draft.nodes.flatMap(storeNames))
  const known = new Set(specs.map((spec) => spec.name))
  const duplicates = specs.filter((spec, index) => specs.findIndex((other) => other.name === spec.name) !== index)
  return [
    ...duplicates.map((spec) => `two stores have the name ${quote(spec.name)}`),
    ...specs
      .filter((spec) => !legalName.test(spec.name))
      .map((spec) => `the store name ${quote(spec.name)} is not legal`),
    ...[...specs, ...draft.globalTables.map(({ store }) => store)]
      .filter(({ key, value }) => key.prepare !== undefined || value.prepare !== undefined)
      .map(
        (spec) => `the store ${quote(spec.name)} has a serde that asks a server, which is for topics; give msgpack()`,
      ),
    ...specs.flatMap(durationProblems),
    ...draft.stores
      .filter((spec) => !used.has(spec.name))
      .map((spec) => `no node is connected to store ${quote(spec.name)}`),
    ...draft.nodes.flatMap((node) =>
      storeNames(node)
        .filter((store) => !known.has(store))
        .map((store) => `node ${quote(node.name)} wants store ${quote(store)}, which nothing declares`),
    ),
  ]
}

function globalTableProblems({ nodes, stores, globalTables }: GraphDraft): string[] {
  const names = globalTables.map(({ name }) => name)
  const taken = new Set([...nodes.map(({ name }) => name), ...storeSpecs({ nodes, stores }).map(({ name }) => name)])
  return [
    ...names.filter((name) => !legalName.test(name)).map((name) => `the global table name ${quote(name)} is not legal`),
    ...names
      .filter((name, index) => names.indexOf(name) !== index)
      .map((name) => `two global tables have the name ${quote(name)}`),
    ...names
      .filter((name) => taken.has(name))
      .map((name) => `the global table ${quote(name)} has the name of a node or a store`),
    ...nodes.flatMap((node) =>
      (node.kind === 'processor' ? (node.supplier.globalTables ?? []) : [])
        .filter((table) => !names.includes(table))
        .map((table) => `node ${quote(node.name)} reads global table ${quote(table)}, which nothing declares`),
    ),
  ]
}

/** How long a store keeps what it has, in milliseconds. */
function durationProblems(spec: StoreSpec): string[] {
  const problemOf = (name: string, durationMs: number, least: string) =>
    `the store ${quote(spec.name)} has ${name} ${durationMs}; give milliseconds ${least}`
  if ('historyMs' in spec) return spec.historyMs >= 0 ? [] : [problemOf('historyMs', spec.historyMs, 'from zero on')]
  const durations = {
    ...('ttlMs' in spec && { ttlMs: spec.ttlMs }),
    ...('retentionMs' in spec && { retentionMs: spec.retentionMs }),
  }
  return Object.entries(durations).flatMap(([name, durationMs]) =>
    durationMs === undefined || durationMs > 0 ? [] : [problemOf(name, durationMs, 'above zero')],
  )
}

function linkProblems({ nodes }: GraphDraft): string[] {
  const names = new Set(nodes.map((node) => node.name))
  const unknown = nodes.flatMap((node) =>
    node.parents
      .filter((parent) => !names.has(parent))
      .map((parent) => `node ${quote(node.name)} reads from ${quote(parent)}, which is not part of this topology`),
  )
  const sources = nodes.some((node) => node.kind === 'source') ? [] : ['the topology reads no topic']
  const ordered = new Set(topologicalOrder(nodes).map((node) => node.name))
  const cyclic = nodes.filter((node) => !ordered.has(node.name) && node.parents.every((parent) => names.has(parent)))
  const cycle = cyclic.length > 0 ? [`the nodes ${cyclic.map((node) => quote(node.name)).join(', ')} form a cycle`] : []
  return [...unknown, ...sources, ...cycle]
}

function topicProblems({ nodes }: GraphDraft): string[] {
  const read = topicsOf(nodes, 'source')
  const internal = new Set(nodes.filter((node) => node.kind !== 'processor' && node.internal).map((node) => node.name))
  const twice = read.filter(({ topic }, index) => read.findIndex((other) => other.topic === topic) !== index)
  const loops = topicsOf(nodes, 'sink').filter(
    ({ topic, node }) => !internal.has(node) && read.some((source) => source.topic === topic),
  )
  return [
    ...twice.map(({ topic }) => `topic ${quote(topic)} is read twice; read it once and branch the stream`),
    ...loops.map(
      ({ topic, node }) => `node ${quote(node)} writes topic ${quote(topic)}, which the topology reads: a cycle`,
    ),
  ]
}

/**
 * Beyond the gate records of different keys finish in any order, so a node there may keep state only under its record's own key; and
 * the gate itself is by key, so equal keys must be in one partition.
 */
function gateProblems({ nodes }: GraphDraft): string[] {
  const ordered = topologicalOrder(nodes)
  const zones = zonesOf(ordered)
  const rekeyed = rekeyedNodes(ordered)
  return ordered.flatMap((node) => {
    if (node.kind !== 'processor') return []
    const keyed = node.supplier.order === 'key'
    const stateful = storeNames(node).length > 0
    const problems: string[] = []
    if (zones.get(node.name) === 'beyond' && stateful && !keyed) {
      problems.push(
        `node ${quote(node.name)} keeps state beyond the gate, where records of different keys finish in any order; put a repartition before it`,
      )
    }
    if ((keyed || stateful) && node.parents.some((parent) => rekeyed.has(parent))) {
      problems.push(
        `node ${quote(node.name)} needs equal keys in one partition, but the key was changed before it; put a repartition before it, or choose the key with the \`by\` of an aggregation or of a join with a table`,
      )
    }
    return problems
  })
}

/** Nodes whose records may carry another key than the one they were partitioned by. */
function rekeyedNodes(ordered: readonly DraftNode[]): Set<string> {
  const rekeyed = new Set<string>()
  for (const node of ordered) {
    const own = node.kind === 'processor' && node.supplier.changesKey === true
    if (own || node.parents.some((parent) => rekeyed.has(parent))) rekeyed.add(node.name)
  }
  return rekeyed
}

function quote(name: string): string {
  return JSON.stringify(name)
}
