import type { MetricRegistry } from '../metric-registry.ts'
import type { SharedWork } from '../topology/processor.ts'
import type { WatchedNodes } from './watched-nodes.ts'

const shown = [
  'tokenize_duration_seconds',
  'batch_texts',
  'batch_tokens',
  'batch_wait_seconds',
  'batch_duration_seconds',
  'batches_failed_total',
] as const
/** Why embedders close batches. */
const reasons = ['idle_device', 'tokens', 'count', 'timeout', 'refused']

/** Counts the batches of embedders, and how long their texts were tokenized. */
export class BatchCounts {
  readonly #registry: MetricRegistry
  /** Work is told of for every document that had texts in it; it counts once, for the node that heard of it first. */
  readonly #counted = new WeakSet<SharedWork>()

  constructor(registry: MetricRegistry, { embedders }: WatchedNodes) {
    this.#registry = registry
    for (const node of embedders.keys()) {
      for (const name of shown) registry.start(name, { node })
      for (const reason of reasons) registry.start('batches_closed_total', { node, reason })
    }
  }

  count(node: string, work: SharedWork): void {
    if (this.#counted.has(work)) return
    this.#counted.add(work)
    const { step, startedAt, endedAt, counts, reason, waitedMs, error } = work
    if (step === 'tokenize') {
      this.#registry.observe('tokenize_duration_seconds', { node }, (endedAt - startedAt) / 1_000)
      return
    }
    if (reason !== undefined) this.#registry.add('batches_closed_total', { node, reason })
    if (waitedMs !== undefined) this.#registry.observe('batch_wait_seconds', { node }, waitedMs / 1_000)
    if (error !== undefined) {
      this.#registry.add('batches_failed_total', { node })
      return
    }
    this.#registry.observe('batch_duration_seconds', { node }, (endedAt - startedAt) / 1_000)
    if (counts.texts !== undefined) this.#registry.observe('batch_texts', { node }, counts.texts)
    // Servers do not count tokens.
    if (counts.tokens) this.#registry.observe('batch_tokens', { node }, counts.tokens)
  }
}
