import type { RuntimeSettings } from '../../config.ts'
import type { Serde } from '../../serde.ts'
import { type AnyTarget, type Topology, topicName } from '../../topology/topology.ts'

/**
 * The topic of each sink node with serdes that can write to it: some have to ask a server first, which may have to be waited for. Rejects
 * with what makes writing hopeless.
 */
export async function openTargets(
  topology: Topology,
  { application }: RuntimeSettings,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, AnyTarget>> {
  const targets = new Map<string, AnyTarget>()
  for (const [name, node] of topology.nodes) {
    if (node.kind !== 'sink' || node.target.kind !== 'topic-target') continue
    const topic = topicName(node, application) ?? node.target.topic
    const of = (serde: Serde<unknown>, part: 'key' | 'value') => serde.forTopic?.({ topic, part }, signal) ?? serde
    const [key, value] = await Promise.all([of(node.target.key, 'key'), of(node.target.value, 'value')])
    targets.set(name, { ...node.target, key, value })
  }
  return targets
}
