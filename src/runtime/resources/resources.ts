import type { RuntimeSettings } from '../../config.ts'
import { StreamError } from '../../errors.ts'
import type { Pipeline, Resource, Sink, VectorIndex } from '../../topology/processor.ts'
import type { Subtopology, Topology } from '../../topology/topology.ts'
import { closeAll } from '../close-all.ts'
import { pipelinesOf } from './pipelines.ts'

/** Everything outside the log that a topology uses, open. */
export interface OpenResources {
  readonly pipelineOf: (node: string) => Pipeline
  /** No observed index held a point when it was opened: nothing can have been written by a predecessor. */
  readonly indexesEmpty: boolean
  close(): Promise<void>
}

/** Opens embedders first, because they know the size of the vectors, then sinks; closes in the opposite order. */
export async function openResources(topology: Topology): Promise<OpenResources> {
  const opened: { close(): Promise<void> }[] = []
  const close = () =>
    closeAll(
      opened
        .splice(0)
        .map((resource) => () => resource.close())
        .reverse(),
    )
  try {
    for (const resource of resourcesOf(topology)) {
      opened.push(resource)
      await resource.open()
    }
    const pipelineOf = pipelinesOf(topology)
    for (const [sink, node] of sinksOf(topology)) {
      opened.push(sink)
      await sink.open(pipelineOf(node))
    }
    return { pipelineOf, indexesEmpty: await areEmpty(observedIndexes(topology)), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** How long after it was sent a request of this part of the topology may still take effect; 0 when none outlives its process. */
export function requestTimeoutOf(topology: Topology, { nodes }: Subtopology): number {
  return Math.max(0, ...nodes.flatMap((name) => sinksAt(topology, name).map((sink) => sink.requestTimeoutMs ?? 0)))
}

/** An owner stops writing one request timeout before its session can end; there must be time left in which it may write. Throws CONFIG_INVALID. */
export function requireShortRequests(
  topology: Topology,
  { sessionTimeoutMs, rebalanceTimeoutMs }: RuntimeSettings,
): void {
  const membershipMs = Math.min(sessionTimeoutMs, rebalanceTimeoutMs)
  for (const subtopology of topology.subtopologies) {
    const requestTimeoutMs = requestTimeoutOf(topology, subtopology)
    if (requestTimeoutMs <= membershipMs / 2) continue
    throw new StreamError(
      'CONFIG_INVALID',
      `a request to the index may take ${requestTimeoutMs} ms, more than half of sessionTimeoutMs or rebalanceTimeoutMs, which is ${membershipMs}`,
      { fix: 'Lower `requestTimeoutMs` of the index, or raise `sessionTimeoutMs`.' },
    )
  }
}

/** Whether an owner of this part of the topology needs an epoch. */
export function isFenced(topology: Topology, { nodes }: Subtopology): boolean {
  return nodes.some((name) => sinksAt(topology, name).some(({ fenced }) => fenced))
}

/** What a node writes to, or looks at. */
function sinksAt(topology: Topology, name: string): readonly Sink<never, never>[] {
  const node = topology.nodes.get(name)
  if (node?.kind === 'processor') return node.supplier.observes ?? []
  return node?.kind === 'sink' && node.target.kind === 'sink' ? [node.target.sink] : []
}

/** Each once. */
export function resourcesOf(topology: Topology): Set<Resource> {
  const nodes = [...topology.nodes.values()]
  return new Set(nodes.flatMap((node) => (node.kind === 'processor' ? (node.supplier.resources ?? []) : [])))
}

/** Each sink once, with a node that stands for its pipeline. */
export function sinksOf(topology: Topology): Map<Sink<never, never>, string> {
  const nodes = [...topology.nodes.values()]
  const observed = nodes.flatMap((node) =>
    node.kind === 'processor' ? (node.supplier.observes ?? []).map((index) => [index, node.name] as const) : [],
  )
  const ends = nodes.flatMap((node) =>
    node.kind === 'sink' && node.target.kind === 'sink' ? [[node.target.sink, node.name] as const] : [],
  )
  return new Map<Sink<never, never>, string>([...observed, ...ends])
}

function observedIndexes(topology: Topology): Set<VectorIndex> {
  const nodes = [...topology.nodes.values()]
  return new Set(nodes.flatMap((node) => (node.kind === 'processor' ? (node.supplier.observes ?? []) : [])))
}

async function areEmpty(indexes: Iterable<VectorIndex>): Promise<boolean> {
  for (const index of indexes) for await (const _ of index.scan()) return false
  return true
}
