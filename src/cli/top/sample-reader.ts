import type { LabelsOf, MetricName } from '../../metrics.ts'
import type { Series } from './exposition.ts'
import type { InstanceSample } from './instance-sample.ts'

type LabelName<Name extends MetricName> = keyof LabelsOf<Name> & string
type Filter<Name extends MetricName> = Partial<LabelsOf<Name>>

/** A total, and how much of it is new since the sample before; that is unknown in the first sample. */
export interface Count {
  readonly total: number
  readonly new?: number
}

/** Reads two samples of one instance: what is, and what has happened in between. A first sample has none before it. */
export class SampleReader {
  /** Seconds between the two; undefined without the earlier one. */
  readonly seconds: number | undefined
  readonly #series: ReadonlyMap<string, readonly Series[]>
  readonly #before: ReadonlyMap<string, number> | undefined

  constructor(now: InstanceSample, before?: InstanceSample) {
    this.#series = Map.groupBy(now.series, ({ name }) => name)
    const isUsable = before !== undefined && before.problem === undefined && now.at > before.at
    this.seconds = isUsable ? (now.at - before.at) / 1_000 : undefined
    this.#before = isUsable ? new Map(before.series.map((own) => [keyOf(own), own.value])) : undefined
  }

  /** Values of a label, in the order in which they come. */
  values<Name extends MetricName>(name: Name, label: LabelName<Name>): readonly string[] {
    return [...new Set(this.#of(name).flatMap(({ labels }) => labels[label] ?? []))]
  }

  /** The labels of every series of a metric. */
  labels<Name extends MetricName>(name: Name, filter: Filter<Name> = {}): readonly LabelsOf<Name>[] {
    return this.#of(name, filter).map(({ labels }) => labels as LabelsOf<Name>)
  }

  /** Sum of the series of a gauge; undefined when there are none. */
  gauge<Name extends MetricName>(name: Name, filter: Filter<Name> = {}): number | undefined {
    const found = this.#of(name, filter)
    return found.length === 0 ? undefined : sumOf(found.map(({ value }) => value))
  }

  /** The largest series of a gauge. */
  largest<Name extends MetricName>(name: Name, filter: Filter<Name> = {}): number | undefined {
    const found = this.#of(name, filter).map(({ value }) => value)
    return found.length === 0 ? undefined : Math.max(...found)
  }

  /** Sum of the series of a counter. */
  count<Name extends MetricName>(name: Name, filter: Filter<Name> = {}): Count {
    return this.#count(this.#of(name, filter))
  }

  /** How much a counter grows a second; undefined in the first sample, or when there is no such counter. */
  rate<Name extends MetricName>(name: Name, filter: Filter<Name> = {}): number | undefined {
    const found = this.#of(name, filter)
    const grown = this.#count(found).new
    return found.length === 0 || grown === undefined || !this.seconds ? undefined : grown / this.seconds
  }

  /**
   * A quantile of a histogram: of what was observed since the sample before, or since the start where that is nothing. Interpolated
   * within a bucket, as `histogram_quantile` of Prometheus does it.
   */
  quantile<Name extends MetricName>(quantile: number, name: Name, filter: Filter<Name> = {}): number | undefined {
    const buckets = this.#of(`${name}_bucket`, filter).map((own) => {
      const count = this.#count([own])
      return { bound: own.labels.le === '+Inf' ? Number.POSITIVE_INFINITY : Number(own.labels.le), ...count }
    })
    const recent = buckets.map(({ bound, new: count = 0 }) => ({ bound, count }))
    const isQuiet = (recent.at(-1)?.count ?? 0) === 0
    return quantileOf(quantile, isQuiet ? buckets.map(({ bound, total }) => ({ bound, count: total })) : recent)
  }

  /** The mean of what a histogram has observed since the sample before, or since the start where that is nothing. */
  mean<Name extends MetricName>(name: Name, filter: Filter<Name> = {}): number | undefined {
    const [sum, count] = [this.#count(this.#of(`${name}_sum`, filter)), this.#count(this.#of(`${name}_count`, filter))]
    if (count.total === 0) return undefined
    return sum.new !== undefined && count.new ? sum.new / count.new : sum.total / count.total
  }

  #of(name: string, filter: Readonly<Record<string, string | undefined>> = {}): readonly Series[] {
    const wanted = Object.entries(filter)
    const all = this.#series.get(name) ?? []
    return all.filter(({ labels }) => wanted.every(([label, value]) => labels[label] === value))
  }

  #count(series: readonly Series[]): Count {
    const total = sumOf(series.map(({ value }) => value))
    const before = this.#before
    if (!before) return { total }
    // A counter that is smaller than it was began anew.
    const grown = series.map((own) => {
      const earlier = before.get(keyOf(own)) ?? 0
      return own.value >= earlier ? own.value - earlier : own.value
    })
    return { total, new: sumOf(grown) }
  }
}

interface Bucket {
  readonly bound: number
  /** Of observations up to the bound. */
  readonly count: number
}

function quantileOf(quantile: number, buckets: readonly Bucket[]): number | undefined {
  const total = buckets.at(-1)?.count ?? 0
  if (total === 0) return undefined
  const rank = quantile * total
  const at = buckets.findIndex(({ count }) => count >= rank)
  const { bound, count } = buckets[at] ?? { bound: 0, count: 0 }
  const below = buckets[at - 1] ?? { bound: 0, count: 0 }
  if (bound === Number.POSITIVE_INFINITY) return below.bound
  return below.bound + (bound - below.bound) * ((rank - below.count) / Math.max(1, count - below.count))
}

function keyOf({ name, labels }: Series): string {
  return JSON.stringify([name, labels])
}

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0)
}
