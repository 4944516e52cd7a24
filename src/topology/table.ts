import type { KeyValueStore, KeyValueStoreSpec } from '../state/store.ts'
import type { ProcessorSupplier, StreamHandle } from './processor.ts'
import type { TopicSource } from './source.ts'
import { Stream, type StreamGraph } from './stream.ts'

/**
 * The latest value of every key of a topic, kept in a store that has the table's name. A processor reads it when it names the store:
 * `{ stores: [authors.store] }`.
 */
export class Table<K, V> implements StreamHandle {
  readonly name: string
  /** Name of the store, to connect other nodes to. */
  readonly store: string
  readonly #graph: StreamGraph

  constructor(name: string, graph: StreamGraph) {
    this.name = name
    this.store = name
    this.#graph = graph
  }

  /** The changes of the table, tombstones included. */
  toStream(): Stream<K, V> {
    return new Stream<K, V>(this.name, this.#graph)
  }
}

/** The node behind a table: stores the latest value and passes every change on. */
export function materialize<K, V>(name: string, source: TopicSource<K, V>): ProcessorSupplier<K, V, K, V> {
  const spec: KeyValueStoreSpec<K, V> = { kind: 'key-value', name, key: source.key, value: source.value }
  return {
    name,
    operator: 'table',
    stores: [spec],
    create: () => ({
      process(record, context) {
        const store = context.store<KeyValueStore<K, V>>(name)
        if (record.value === null) store.delete(record.key)
        else store.put(record.key, record.value)
        context.forward(record)
      },
    }),
  }
}
