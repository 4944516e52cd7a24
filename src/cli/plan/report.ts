import { tableOf } from '../table.ts'
import type { Estimates } from './estimates.ts'
import type { Plan } from './plan-run.ts'

/** A plan for people. */
export function planText(plan: Plan, { seconds, price }: Estimates): string {
  const { records, documents, chunks, embeddings, points, failures } = plan
  const tokens = embeddings.tokens === null ? 'tokens not known' : `${grouped(embeddings.tokens)} tokens`
  const givenUp = Object.entries(failures).map(([code, count]) => `${grouped(count)} ${code}`)
  return tableOf([
    ['records:', grouped(records)],
    [
      'documents:',
      `${grouped(documents.new)} new, ${grouped(documents.changed)} changed, ${grouped(documents.metadataOnly)} with new metadata only, ` +
        `${grouped(documents.unchanged)} unchanged, ${grouped(documents.deleted)} deleted`,
    ],
    ['chunks:', `${grouped(chunks.cut)} cut, ${grouped(chunks.reused)} of them in the index as they are`],
    [
      'embeddings:',
      `${grouped(embeddings.texts)} texts (${grouped(embeddings.distinct)} different), ${grouped(embeddings.characters)} characters, ${tokens}`,
    ],
    [
      'points:',
      `${grouped(points.upserts)} upserts, ${grouped(points.payloadUpdates)} payload updates, ${grouped(points.deletes)} deletes`,
    ],
    ...(givenUp.length > 0 ? [['given up:', givenUp.join(', ')]] : []),
    ...(seconds === undefined ? [] : [['time:', seconds === null ? unknown : `about ${durationText(seconds)}`]]),
    ...(price === undefined ? [] : [['price:', price === null ? unknown : `about ${price.toFixed(4)}`]]),
  ])
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
