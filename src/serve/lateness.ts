import type { MetricRegistry } from '../metric-registry.ts'
import type { TaskId } from '../topology/processor.ts'

/** Watches how much older records are than the newest before them in their task. */
export class Lateness {
  readonly #registry: MetricRegistry
  readonly #newest = new Map<TaskId, number>()

  constructor(registry: MetricRegistry) {
    this.#registry = registry
    registry.start('record_lateness_seconds', {})
  }

  taken(task: TaskId, timestamp: number): void {
    const newest = this.#newest.get(task) ?? timestamp
    if (timestamp < newest) this.#registry.observe('record_lateness_seconds', {}, (newest - timestamp) / 1_000)
    else this.#newest.set(task, timestamp)
  }

  /** A task reads again what it had not committed: those records are not late. */
  beginAnew(task: TaskId): void {
    this.#newest.delete(task)
  }
}
