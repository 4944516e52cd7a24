/** One list out of several: by rank, or by normalised score. */
import { ApiError } from './api-error.ts'
import type { PointId } from './ids.ts'
import type { Scored } from './scored.ts'

const single = Math.fround

export function reciprocalRankFusion(
  lists: readonly (readonly Scored[])[],
  { k = 2, weights }: { k?: number | undefined; weights?: readonly number[] | undefined },
): Scored[] {
  if (weights && weights.length !== lists.length) {
    throw ApiError.badInput(
      `Validation failed: RRF weights length (${weights.length}) does not match number of prefetches (${lists.length})`,
    )
  }
  const ranked = lists.map((list, source) => {
    const weight = weights?.[source] ?? 1
    return list.map((point, rank) => ({ ...point, score: rankScore(rank, k, weight) }))
  })
  return summed(ranked)
}

function rankScore(rank: number, k: number, weight: number): number {
  if (weight <= 0) return 0
  return single(1 / single(single(single((rank + 1) / weight) + k) - 1))
}

function summed(lists: readonly (readonly Scored[])[]): Scored[] {
  const totals = new Map<PointId, Scored>()
  for (const point of lists.flat()) {
    const known = totals.get(point.id)
    totals.set(point.id, known ? { ...known, score: single(known.score + point.score) } : point)
  }
  return [...totals.values()].sort((a, b) => b.score - a.score)
}

/** Scores between three standard deviations below and above the mean, summed up. */
export function distributionFusion(lists: readonly (readonly Scored[])[]): Scored[] {
  return summed(lists.map(normalised))
}

function normalised(list: readonly Scored[]): Scored[] {
  const middle = () => list.map((point) => ({ ...point, score: 0.5 }))
  if (list.length < 2) return middle()
  let mean = 0
  let aggregate = 0
  list.forEach(({ score }, index) => {
    const before = single(score - mean)
    mean = single(mean + single(before / (index + 1)))
    aggregate = single(aggregate + single(before * single(score - mean)))
  })
  const deviation = single(Math.sqrt(single(aggregate / (list.length - 1))))
  const [min, max] = [single(mean - single(3 * deviation)), single(mean + single(3 * deviation))]
  if (min === max) return middle()
  return list.map((point) => ({ ...point, score: single(single(point.score - min) / single(max - min)) }))
}
