import { isVectorIndex } from '../../topology/graph.ts'
import type { Topology } from '../../topology/topology.ts'
import { tableOf } from '../table.ts'
import type { Estimates } from './estimates.ts'
import type { Plan } from './plan-run.ts'

/** A plan for people. Of a topology that writes no index, what belongs to one is left out where it is zero. */
export function planText(topology: Topology, plan: Plan, { seconds, price }: Estimates): string {
  const { records, documents, chunks, embeddings, points, failures } = plan
  const tokens = embeddings.tokens === null ? 'tokens not known' : `${grouped(embeddings.tokens)} tokens`
  const givenUp = Object.entries(failures).map(([code, count]) => `${grouped(count)} ${code}`)
  const isIndexing = writesIndex(topology)
  const rowOf = (counts: object, row: readonly string[]) =>
    isIndexing || Object.values(counts).some((count) => count > 0) ? [row] : []
  return tableOf([
    ['records:', grouped(records)],
    ...(isIndexing ? [] : [['index:', 'none is written by this topology']]),
    ...rowOf(documents, [
      'documents:',
      `${grouped(documents.new)} new, ${grouped(documents.changed)} changed, ${grouped(documents.metadataOnly)} with new metadata only, ` +
        `${grouped(documents.unchanged)} unchanged, ${grouped(documents.deleted)} deleted`,
    ]),
    ...rowOf(chunks, [
      'chunks:',
      `${grouped(chunks.cut)} cut, ${grouped(chunks.reused)} of them in the index as they are`,
    ]),
    ...rowOf(embeddings, [
      'embeddings:',
      `${grouped(embeddings.texts)} texts (${grouped(embeddings.distinct)} different), ${grouped(embeddings.characters)} characters, ${tokens}`,
    ]),
    ...rowOf(points, [
      'points:',
      `${grouped(points.upserts)} upserts, ${grouped(points.payloadUpdates)} payload updates, ${grouped(points.deletes)} deletes`,
    ]),
    ...(givenUp.length > 0 ? [['given up:', givenUp.join(', ')]] : []),
    ...(seconds === undefined ? [] : [['time:', seconds === null ? unknown : `about ${durationText(seconds)}`]]),
    ...(price === undefined ? [] : [['price:', price === null ? unknown : `about ${price.toFixed(4)}`]]),
  ])
}

function writesIndex({ nodes }: Topology): boolean {
  return [...nodes.values()].some(
    (node) => node.kind === 'sink' && node.target.kind === 'sink' && isVectorIndex(node.target.sink),
  )
}

const unknown = 'not known: there is no tokenizer at hand to count tokens with'

function grouped(count: number): string {
  return count.toLocaleString('en')
}

function durationText(seconds: number): string {
  if (seconds < 120) return `${Math.ceil(seconds)} s`
  const minutes = Math.ceil(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}
