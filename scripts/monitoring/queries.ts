import { type MetricName, metricPrefix } from '../../src/metrics.ts'
import type { Query } from './board.ts'

/** What the variables of a dashboard choose. */
export const chosen = 'namespace=~"$namespace",application=~"$application",instance=~"$instance"'

/** Writes selectors of metrics that exist; `filter` stands in each of them. */
export function metricsWith(filter: string) {
  const selector = (name: string, labels: string) => {
    const all = [filter, labels].filter((part) => part !== '').join(',')
    return `${metricPrefix}${name}${all === '' ? '' : `{${all}}`}`
  }
  /** Of a histogram. `by` are labels that stay. */
  const quantile = (part: number, name: MetricName, by: readonly string[] = []) => {
    const kept = ['le', ...by].join(', ')
    return `histogram_quantile(${part}, sum by (${kept}) (rate(${selector(`${name}_bucket`, '')}[$__rate_interval])))`
  }
  const p50 = (name: MetricName, by?: readonly string[]) => quantile(0.5, name, by)
  const p95 = (name: MetricName, by?: readonly string[]) => quantile(0.95, name, by)
  return {
    quantile,
    p50,
    p95,
    /** The middle of a histogram and its slow end, a line each; of each `by` where one is given. */
    percentiles: (name: MetricName, by?: string): readonly Query[] => {
      const [labels, of] = by === undefined ? [[], ''] : [[by], ` {{${by}}}`]
      return [
        { expr: p50(name, labels), legend: `p50${of}` },
        { expr: p95(name, labels), legend: `p95${of}` },
      ]
    },
    of: (name: MetricName, labels = '') => selector(name, labels),
    /** Per second, over `window`. */
    rate: (name: MetricName, labels = '', window = '$__rate_interval') => `rate(${selector(name, labels)}[${window}])`,
    /** How many in the window. */
    increase: (name: MetricName, labels = '', window = '$__range') => `increase(${selector(name, labels)}[${window}])`,
    /** The mean of a histogram. */
    mean: (name: MetricName) =>
      `sum(rate(${selector(`${name}_sum`, '')}[$__rate_interval])) / sum(rate(${selector(`${name}_count`, '')}[$__rate_interval]))`,
    /** The part of a histogram's observations up to a bound that is one of its buckets. */
    shareUpTo: (bound: string, name: MetricName, window = '$__rate_interval', by = '') => {
      const sum = by === '' ? 'sum' : `sum by (${by})`
      const part = `${sum} (rate(${selector(`${name}_bucket`, `le="${bound}"`)}[${window}]))`
      return `${part} / ${sum} (rate(${selector(`${name}_count`, '')}[${window}]))`
    },
  }
}
