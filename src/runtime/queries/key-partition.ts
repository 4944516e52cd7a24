import { keyPartition } from '../../partitioner.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { Subtopology, Topology } from '../../topology/topology.ts'
import { topicOf } from '../../topology/topology.ts'

/**
 * The partition that a key of a store is in, when its keys are those of the records. Undefined where that does not follow from the key: its
 * bytes in the topic are others, or a function of the user spreads the records.
 */
export function partitionOfKey(
  spec: StoreSpec,
  key: Uint8Array,
  where: { readonly topology: Topology; readonly subtopology: Subtopology; readonly partitions: number },
): number | undefined {
  const { topology, subtopology, partitions } = where
  const spreads = subtopology.nodes.some((name) => {
    const node = topology.nodes.get(name)
    if (node?.kind !== 'source') return false
    return node.source.key.name !== spec.key.name || isSpreadByFunction(topology, node.source.topic)
  })
  return spreads ? undefined : keyPartition(key, spec.key, partitions)
}

function isSpreadByFunction({ nodes }: Topology, topic: string): boolean {
  return [...nodes.values()].some(
    (node) =>
      node.kind === 'sink' &&
      topicOf(node) === topic &&
      node.target.kind === 'topic-target' &&
      node.target.partition !== undefined,
  )
}
