import { totalmem } from 'node:os'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { getHeapStatistics } from 'node:v8'
import type { MetricRegistry } from '../metric-registry.ts'

/** How often the event loop is asked to be there; what comes later is its delay. Milliseconds. */
const resolutionMs = 20
const percentiles = [50, 99, 100]

/** Memory, processor time and event loop of the process. */
export class ProcessGauges {
  readonly #registry: MetricRegistry
  readonly #delays = monitorEventLoopDelay({ resolution: resolutionMs })

  constructor(registry: MetricRegistry) {
    this.#registry = registry
    this.#delays.enable()
  }

  close(): void {
    this.#delays.disable()
  }

  look(): void {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    this.#registry.replace('memory_bytes', [
      [{ kind: 'rss' }, rss],
      [{ kind: 'heap_used' }, heapUsed],
      [{ kind: 'heap_total' }, heapTotal],
      [{ kind: 'external' }, external],
    ])
    this.#registry.replace('memory_limit_bytes', [
      [{ kind: 'rss' }, memoryLimit()],
      [{ kind: 'heap_used' }, getHeapStatistics().heap_size_limit],
    ])
    const { user, system } = process.cpuUsage()
    this.#registry.total('cpu_seconds_total', { mode: 'user' }, user / 1e6)
    this.#registry.total('cpu_seconds_total', { mode: 'system' }, system / 1e6)
    this.#registry.replace(
      'event_loop_delay_seconds',
      percentiles.map((percentile) => [{ percentile: String(percentile) }, this.#delay(percentile)]),
    )
    this.#delays.reset()
  }

  /** What is measured is the time between two looks, which contains their distance. */
  #delay(percentile: number): number {
    return Math.max(0, this.#delays.percentile(percentile) / 1e9 - resolutionMs / 1000)
  }
}

/** Of the container, if it has one that is smaller than the machine. */
function memoryLimit(): number {
  const constrained = process.constrainedMemory()
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem()
}
