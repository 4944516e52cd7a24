import type { ProcessorSupplier } from '../topology/processor.ts'
import type { Stream } from '../topology/stream.ts'

/**
 * Joins two streams of the same types into one. Order is kept within each of them, not between them.
 *
 * Before an index, a stream that was parted with `filter` and `filterNot` cannot be merged again: what one of them keeps is a deletion in the
 * other (TOPOLOGY_INVALID). Part it with `branches`, which know of one another.
 *
 * @example
 * articles.process(merge('everything', pages))
 */
export function merge<K, V>(name: string, other: Stream<K, V>): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator: 'merge',
    inputs: [other],
    gathers: true,
    create: () => ({ process: (record, context) => context.forward(record) }),
  }
}
