// A stateful processor of your own: counts words per key, remembers the counts in a store, tells every change.
import { json, type KeyValueStore, type ProcessorSupplier, string, TopologyBuilder } from 'millrace'
import { kafka, kafkaTopic } from 'millrace/connectors'
import { flatMap, repartition } from 'millrace/operators'
import { z } from 'zod'

const count: ProcessorSupplier<string, string, string, number> = {
  name: 'count',
  operator: 'count',
  stores: [{ kind: 'key-value', name: 'counts', key: string, value: json(z.number()) }],
  create: () => ({
    process(record, context) {
      const counts = context.store<KeyValueStore<string, number>>('counts')
      const next = (counts.get(record.key) ?? 0) + 1
      counts.put(record.key, next)
      context.forward({ ...record, value: next })
    },
  }),
}

export const lines = kafka({ topic: 'lines', key: string, value: string })
export const counts = kafkaTopic({ topic: 'word-counts', key: string, value: json(z.number()) })

const builder = new TopologyBuilder()
builder
  .stream('lines', lines)
  .process(
    flatMap('words', (_, line) =>
      (line ?? '')
        .split(/\W+/)
        .filter(Boolean)
        .map((word) => [word, word] as const),
    ),
  )
  .process(repartition('by-word', { key: string, value: string }))
  .process(count)
  .to('word-counts', counts)

export default builder.build()
