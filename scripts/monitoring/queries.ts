import { type MetricName, metricPrefix } from '../../src/metrics.ts'

/** What the variables of a dashboard choose. */
export const chosen = 'namespace=~"$namespace",application=~"$application",instance=~"$instance"'

/** Writes selectors of metrics that exist; `filter` stands in each of them. */
export function metricsWith(filter: string) {
  const selector = (name: string, labels: string) => {
    const all = [filter, labels].filter((part) => part !== '').join(',')
    return `${metricPrefix}${name}${all === '' ? '' : `{${all}}`}`
  }
  return {
    of: (name: MetricName, labels = '') => selector(name, labels),
    /** Per second, over `window`. */
    rate: (name: MetricName, labels = '', window = '$__rate_interval') => `rate(${selector(name, labels)}[${window}])`,
    /** How many in the window. */
    increase: (name: MetricName, labels = '', window = '$__range') => `increase(${selector(name, labels)}[${window}])`,
    /** Of a histogram. `by` are labels that stay. */
    quantile: (quantile: number, name: MetricName, by: readonly string[] = []) => {
      const kept = ['le', ...by].join(', ')
      return `histogram_quantile(${quantile}, sum by (${kept}) (rate(${selector(`${name}_bucket`, '')}[$__rate_interval])))`
    },
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
