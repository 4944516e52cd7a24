import { type DraftNode, feedersOf, type GraphDraft, indexEndsOf, isVectorIndex, upstreamOf } from './graph.ts'

type Feeders = ReadonlyMap<string, readonly string[]>

/**
 * Before an index a stream is a table of documents, and what a filter leaves out is a deletion. So streams that were parted by filters must not
 * come together again: each of them would delete what another one keeps. A node that `parts` knows where every record went.
 */
export function partedProblems({ nodes }: GraphDraft): string[] {
  const feeders = feedersOf(nodes)
  return [...gatheredProblems(nodes, feeders), ...sharedIndexProblems(nodes, feeders)]
}

function gatheredProblems(nodes: readonly DraftNode[], feeders: Feeders): string[] {
  const ends = indexEndsOf(nodes)
  const parters = partersIn(nodes)
  const filters = nodes.filter((node) => node.kind === 'processor' && node.supplier.leavesOut)
  const gathering = nodes.filter(
    (node) => node.kind === 'processor' && node.supplier.gathers && (ends.get(node.name)?.size ?? 0) > 0,
  )
  return gathering.flatMap(({ name, parents }) =>
    filters
      .filter((filter) => isPassedBy(filter.name, parents, feeders, parters))
      .map(
        (filter) =>
          `node ${JSON.stringify(name)} brings together what ${JSON.stringify(filter.name)} has parted: before an index it deletes what it leaves out, also where the other stream keeps it; part the stream with \`branches\``,
      ),
  )
}

function partersIn(nodes: readonly DraftNode[]): ReadonlySet<string> {
  return new Set(nodes.filter((node) => node.kind === 'processor' && node.supplier.parts).map(({ name }) => name))
}

/** A record that went into the filter comes to one of the ends by another way as well. */
function isPassedBy(filter: string, ends: readonly string[], feeders: Feeders, parters: ReadonlySet<string>): boolean {
  const before = upstreamOf(feeders.get(filter) ?? [], feeders)
  const others = ends.filter((end) => !upstreamOf([end], feeders).has(filter))
  if (others.length === ends.length) return false
  const elsewhere = upstreamOf(others, feeders)
  // Where the two ways part: nodes that send to both.
  const onTheWay = new Set([...before, filter])
  const forks = [...onTheWay]
    .filter((name) => !elsewhere.has(name))
    .flatMap((name) => feeders.get(name) ?? [])
    .filter((feeder) => elsewhere.has(feeder))
  return forks.some((fork) => !parters.has(fork))
}

/** Each pipeline deletes by document, and knows only of the points that it has written itself. */
function sharedIndexProblems(nodes: readonly DraftNode[], feeders: Feeders): string[] {
  const writers = nodes.flatMap((node) =>
    node.kind === 'sink' && node.target.kind === 'sink' && isVectorIndex(node.target.sink)
      ? [{ name: node.name, index: node.target.sink, upstream: upstreamOf([node.name], feeders) }]
      : [],
  )
  return writers.flatMap((writer, at) =>
    writers
      .slice(at + 1)
      .filter((other) => other.index === writer.index && !other.upstream.isDisjointFrom(writer.upstream))
      .map(
        (other) =>
          `nodes ${JSON.stringify(writer.name)} and ${JSON.stringify(other.name)} write documents of one stream to the index ${writer.index.name}; bring them together with \`merge\` before the diff`,
      ),
  )
}
