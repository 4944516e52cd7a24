import type { IndexStats, Resource } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'

/** What metrics read of an embedder; the layer of embedders is not known here. */
export interface EmbedderView {
  readonly id: string
  readonly stats: {
    readonly device?: string
    readonly texts: number
    readonly sharedTexts: number
    readonly tokens: number
    readonly batches: number
    readonly paddingRatio: number
    readonly truncatedTexts: number
    readonly oldestWaitMs?: number
    readonly waitingTexts?: number
  }
  /** Of one that remembers vectors. */
  readonly cacheStats?: { readonly memoryHits: number; readonly diskHits: number }
}

export interface IndexView {
  readonly name: string
  readonly stats: IndexStats
}

/** The nodes of a topology that metrics know something of. */
export interface WatchedNodes {
  /** Operators by node. */
  readonly operators: ReadonlyMap<string, string>
  /** Embedders by node. */
  readonly embedders: ReadonlyMap<string, EmbedderView>
  /** Indexes by the node that writes to them. */
  readonly indexes: ReadonlyMap<string, IndexView>
  /** Nodes that write to topics. */
  readonly topicSinks: ReadonlySet<string>
  readonly all: readonly string[]
}

export function watchedNodes({ nodes }: Topology): WatchedNodes {
  const operators = new Map<string, string>()
  const embedders = new Map<string, EmbedderView>()
  const indexes = new Map<string, IndexView>()
  const topicSinks = new Set<string>()
  for (const [name, node] of nodes) {
    if (node.kind === 'processor') {
      operators.set(name, node.supplier.operator)
      const embedder = node.supplier.resources?.find(isEmbedder)
      if (embedder) embedders.set(name, embedder)
    }
    if (node.kind !== 'sink') continue
    if (node.target.kind === 'topic-target') topicSinks.add(name)
    else if (isIndex(node.target.sink)) indexes.set(name, node.target.sink)
  }
  return { operators, embedders, indexes, topicSinks, all: [...nodes.keys()] }
}

function isEmbedder(resource: Resource): resource is Resource & EmbedderView {
  return 'embed' in resource && 'stats' in resource && 'id' in resource
}

function isIndex(sink: object): sink is IndexView {
  return 'observe' in sink && 'stats' in sink
}
