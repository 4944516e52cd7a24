import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import {
  type LabelsOf,
  type MetricDefinition,
  type MetricLevel,
  type MetricName,
  metricPrefix,
  metricTable,
} from './metrics.ts'

export interface MetricRegistryOptions {
  /** The label `application` of every series. */
  readonly application: string
  /** `debug` adds what costs something for every record at every node. Default `info`. */
  readonly level?: MetricLevel
}

type Instrument = Counter | Gauge | Histogram

/**
 * The metrics of one runtime: instruments of the table, in a registry of their own. What the level leaves out is not kept, and costs
 * nothing.
 */
export class MetricRegistry {
  readonly level: MetricLevel
  readonly #registry = new Registry()
  readonly #instruments = new Map<MetricName, Instrument>()
  /** The last totals that were told from outside. */
  readonly #totals = new Map<string, number>()

  constructor({ application, level = 'info' }: MetricRegistryOptions) {
    this.level = level
    this.#registry.setDefaultLabels({ application })
    for (const [name, definition] of Object.entries(metricTable)) {
      if (definition.level === 'info' || level === 'debug')
        this.#instruments.set(name as MetricName, instrumentOf(name, definition, this.#registry))
    }
  }

  get contentType(): string {
    return this.#registry.contentType
  }

  /** The text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics()
  }

  /** One metric alone, in the same format. */
  textOf(name: MetricName): Promise<string> {
    return this.#registry.getSingleMetricAsString(`${metricPrefix}${name}`)
  }

  /** Shows a counter or a histogram from now on, also while nothing has happened. */
  start<Name extends MetricName>(name: Name, labels: LabelsOf<Name>): void {
    const instrument = this.#instruments.get(name)
    if (instrument instanceof Counter) instrument.inc(labels, 0)
    if (instrument instanceof Histogram) instrument.zero(labels)
  }

  /** Adds to a counter. */
  add<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, by = 1): void {
    const instrument = this.#instruments.get(name)
    if (instrument instanceof Counter && by > 0) instrument.inc(labels, by)
  }

  /** Brings a counter up to a total that somebody else keeps; a total that began anew is added. */
  total<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, total: number): void {
    const key = `${name} ${Object.values(labels).join(' ')}`
    const before = this.#totals.get(key) ?? 0
    this.#totals.set(key, total)
    const instrument = this.#instruments.get(name)
    if (instrument instanceof Counter) instrument.inc(labels, total >= before ? total - before : total)
  }

  /** Adds an observation to a histogram. */
  observe<Name extends MetricName>(name: Name, labels: LabelsOf<Name>, value: number): void {
    const instrument = this.#instruments.get(name)
    if (instrument instanceof Histogram) instrument.observe(labels, Math.max(0, value))
  }

  /** Gives a gauge these series, and no others. */
  replace<Name extends MetricName>(name: Name, series: Iterable<readonly [LabelsOf<Name>, number]>): void {
    const instrument = this.#instruments.get(name)
    if (!(instrument instanceof Gauge)) return
    instrument.reset()
    for (const [labels, value] of series) instrument.set(labels, value)
  }
}

function instrumentOf(name: string, definition: MetricDefinition, registry: Registry): Instrument {
  const { type, help, labels, buckets = [] } = definition
  const options = { name: `${metricPrefix}${name}`, help, labelNames: [...labels], registers: [registry] }
  if (type === 'counter') return new Counter(options)
  if (type === 'gauge') return new Gauge(options)
  return new Histogram({ ...options, buckets: [...buckets] })
}
