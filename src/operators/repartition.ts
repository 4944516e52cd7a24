import type { ProcessorSupplier } from '../topology/processor.ts'
import type { Repartition } from '../topology/source.ts'

/**
 * Sends records through an internal topic, `<application>-<name>-repartition`, so that equal keys meet in one task. Needed between a
 * step that changes the key and a step that keeps state.
 *
 * @example
 * views.process(selectKey('author', (view, key) => view?.author ?? key))
 *   .process(repartition('by-author', { key: string, value: json(View) }))
 */
export function repartition<K, V>(name: string, options: Repartition<K, V>): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator: 'repartition',
    repartition: options,
    create: () => ({ process: (record, context) => context.forward(record) }),
  }
}
