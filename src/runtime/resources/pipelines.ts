import { hash } from 'node:crypto'
import type { Pipeline, PipelineFacts } from '../../topology/processor.ts'
import { type Topology, type TopologyNode, topicOf } from '../../topology/topology.ts'

/**
 * What decides the vectors around each node: the facts of every node above and below it, joined into one id. Ask only when the
 * resources of the topology are open.
 */
export function pipelinesOf(topology: Topology): (node: string) => Pipeline {
  const nodes = [...topology.nodes.values()]
  const facts = new Map<string, PipelineFacts>()
  for (const node of nodes) {
    const own = node.kind === 'processor' ? node.supplier.facts?.() : undefined
    if (own) facts.set(node.name, own)
  }
  const up = linksOf(nodes, (node) => node.parents)
  const down = linksOf(nodes, (node) => node.children)
  const known = new Map<string, Pipeline>()
  return (name) => {
    const pipeline = known.get(name) ?? join(new Set([...reach(name, up), ...reach(name, down)]), facts)
    known.set(name, pipeline)
    return pipeline
  }
}

function join(around: ReadonlySet<string>, facts: ReadonlyMap<string, PipelineFacts>): Pipeline {
  const relevant = [...facts].filter(([name]) => around.has(name)).map(([, own]) => own)
  const fingerprints = relevant.map((own) => own.fingerprint).sort()
  const dimensions = relevant.find((own) => own.dimensions !== undefined)?.dimensions
  return { id: hash('sha256', JSON.stringify(fingerprints), 'hex').slice(0, 16), dimensions }
}

/** Edges in one direction; an internal topic joins the node that writes it with the node that reads it. */
function linksOf(
  nodes: readonly TopologyNode[],
  next: (node: TopologyNode) => readonly string[],
): Map<string, string[]> {
  const links = new Map<string, string[]>(nodes.map((node) => [node.name, [...next(node)]]))
  for (const node of nodes) {
    if (node.kind === 'processor' || !node.internal || next(node).length > 0) continue
    const others = nodes.filter(
      (other) => other !== node && other.kind !== 'processor' && other.internal && topicOf(other) === topicOf(node),
    )
    links.get(node.name)?.push(...others.map((other) => other.name))
  }
  return links
}

function reach(start: string, links: ReadonlyMap<string, readonly string[]>): Set<string> {
  const seen = new Set([start])
  for (const name of seen) for (const next of links.get(name) ?? []) seen.add(next)
  return seen
}
