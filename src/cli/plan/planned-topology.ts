import { isEmbedder } from '../../embed/embedder.ts'
import { StreamError } from '../../errors.ts'
import { diff } from '../../operators/diff.ts'
import { isVectorIndex } from '../../topology/graph.ts'
import type { Sink, VectorIndex } from '../../topology/processor.ts'
import type { ProcessorNode, SinkNode, Topology, TopologyNode } from '../../topology/topology.ts'
import { PlannedIndex } from './planned-index.ts'
import { type PlannedTexts, plannedEmbed } from './planned-texts.ts'

export interface PlannedTopologyOptions {
  /** Counts what would be embedded. */
  readonly texts: PlannedTexts
  /** Asked when tasks are made: whether a version that waits at the gate is replaced by a newer one. */
  readonly coalesces: () => boolean
}

/** A topology that does everything but embed and write to its targets, and what counts instead. */
export interface PlannedTopology {
  readonly topology: Topology
  readonly indexes: readonly PlannedIndex[]
}

/**
 * The same nodes, stores and pipeline, so that every decision is the one of a real run: only what stands behind `embed`, and behind the
 * sinks outside of the log, is another. Throws USAGE for a node that looks at an index in a way of its own.
 */
export function plannedTopology(topology: Topology, { texts, coalesces }: PlannedTopologyOptions): PlannedTopology {
  const indexes = new Map<object, PlannedIndex>()
  const indexFor = (index: VectorIndex): PlannedIndex => {
    const planned = indexes.get(index) ?? new PlannedIndex(index)
    indexes.set(index, planned)
    return planned
  }
  const planned = (node: TopologyNode): TopologyNode => {
    if (node.kind === 'sink') return plannedSink(node, indexFor)
    return node.kind === 'processor' ? plannedProcessor(node, { indexFor, texts, coalesces }) : node
  }
  const nodes = new Map([...topology.nodes].map(([name, node]) => [name, planned(node)]))
  return { topology: { ...topology, nodes }, indexes: [...indexes.values()] }
}

interface Planned extends PlannedTopologyOptions {
  readonly indexFor: (index: VectorIndex) => PlannedIndex
}

function plannedProcessor(node: ProcessorNode, { indexFor, texts, coalesces }: Planned): ProcessorNode {
  const { name, supplier } = node
  const { operator, observes = [], resources = [] } = supplier
  const embedder = resources.find(isEmbedder)
  if (operator === 'embed' && embedder)
    return { ...node, supplier: { ...supplier, create: () => plannedEmbed(name, embedder, texts) } }
  const [against] = observes
  if (!against) return node
  if (operator === 'diff') {
    const planned = diff(name, { against: indexFor(against) })
    return {
      ...node,
      supplier: {
        ...supplier,
        ...planned,
        get coalesces() {
          return coalesces()
        },
      },
    }
  }
  throw new StreamError('USAGE', `node "${name}" (${operator}) looks at an index by itself, so it cannot be planned`, {
    fix: 'Plan the part of the topology that is without it.',
  })
}

function plannedSink(node: SinkNode, indexFor: Planned['indexFor']): SinkNode {
  const { target } = node
  if (target.kind !== 'sink') return node
  const sink: Sink<never, never> = isVectorIndex(target.sink) ? indexFor(target.sink) : silentSink(target.sink.name)
  return { ...node, target: { kind: 'sink', sink } }
}

/** Takes everything, and sends it nowhere. */
function silentSink(name: string): Sink<unknown, unknown> {
  return {
    name,
    open: async () => undefined,
    writer: () => ({ write: async () => undefined, flush: () => undefined, close: async () => undefined }),
    close: async () => undefined,
  }
}
