import { isEmbedder } from '../../embed/embedder.ts'
import { StreamError } from '../../errors.ts'
import { diff } from '../../operators/diff.ts'
import { isVectorIndex } from '../../topology/graph.ts'
import type { Sink, VectorIndex } from '../../topology/processor.ts'
import {
  copiedTopics,
  type ProcessorNode,
  type SinkNode,
  type Topology,
  type TopologyNode,
} from '../../topology/topology.ts'
import { PlannedIndex } from './planned-index.ts'
import { PlannedTexts, plannedEmbed } from './planned-texts.ts'

/** A topology that does everything but embed and write to its targets, and what it counts instead. */
export interface PlannedTopology {
  readonly topology: Topology
  readonly texts: PlannedTexts
  readonly indexes: readonly PlannedIndex[]
}

/**
 * The same nodes, stores and pipeline, so that every decision is the one of a real run: only what stands behind `embed`, and behind the
 * sinks outside of the log, is another. Throws USAGE for a node that looks at an index in a way of its own, and for a table that is restored
 * from its own topic.
 *
 * `coalesces` is asked when tasks are made: whether a version that waits at the gate is replaced by a newer one.
 */
export function plannedTopology(topology: Topology, coalesces: () => boolean): PlannedTopology {
  requireOwnChangelogs(topology)
  const texts = new PlannedTexts()
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
  return { topology: { ...topology, nodes }, texts, indexes: [...indexes.values()] }
}

/** A plan copies changelogs, and of sources only what is not committed: such a table would be empty. */
function requireOwnChangelogs(topology: Topology): void {
  const [store] = copiedTopics(topology).keys()
  if (store === undefined) return
  throw new StreamError('USAGE', `table "${store}" is restored from its own topic, so the topology cannot be planned`, {
    fix: "Leave out `changelog: 'source'`, or plan the part of the topology that is without the table.",
  })
}

interface Planned {
  readonly indexFor: (index: VectorIndex) => PlannedIndex
  readonly texts: PlannedTexts
  readonly coalesces: () => boolean
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
