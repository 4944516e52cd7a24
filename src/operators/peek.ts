import type { StreamRecord } from '../record.ts'
import type { ProcessorSupplier } from '../topology/processor.ts'

/** Shows each record, tombstones included, to `action` and passes it on unchanged. An action that throws fails the record. */
export function peek<K, V>(name: string, action: (record: StreamRecord<K, V>) => void): ProcessorSupplier<K, V, K, V> {
  return {
    name,
    operator: 'peek',
    create: () => ({
      process(record, context) {
        action(record)
        context.forward(record)
      },
    }),
  }
}
