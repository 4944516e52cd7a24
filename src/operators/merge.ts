import type { ProcessorSupplier } from '../topology/processor.ts'
import type { Stream } from '../topology/stream.ts'

/**
 * Joins two streams of the same types into one. Order is kept within each of them, not between them.
 *
 * @example
 * articles.process(merge('everything', pages))
 */
export function merge<K, V>(name: string, other: Stream<K, V>): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator: 'merge',
    inputs: [other],
    create: () => ({ process: (record, context) => context.forward(record) }),
  }
}
