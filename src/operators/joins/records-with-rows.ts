import { withKeyValue, withValue } from '../../record.ts'
import { msgpack, nullable, type Serde } from '../../serde.ts'
import type { Processor, ProcessorSupplier } from '../../topology/processor.ts'
import type { Table } from '../../topology/stream.ts'

/** A join of a stream with a table. */
export interface RecordJoin<K, V, G, R, VOut> {
  readonly name: string
  readonly operator: string
  readonly kind: 'inner' | 'left'
  readonly other: Table<G, R>
  readonly joiner: (value: V, row: R | null, key: G | null) => VOut
  readonly by?: ((value: V, key: K) => G | null) | undefined
  readonly input?: Serde<V>
  readonly partitions?: number
}

export type AnyRecordJoin = RecordJoin<unknown, unknown, unknown, unknown, unknown>

/** Looks up the row of each record as it is now. */
export function joinRecords<K, V, G, R, VOut>(
  join: RecordJoin<K, V, G, R, VOut>,
): ProcessorSupplier<K, V, G | null, VOut> {
  const { name, operator, other, by } = join
  const supplier: ProcessorSupplier<G | null, V, G | null, VOut> = {
    name,
    operator,
    stores: other.stores,
    create: () => looksUp(join),
  }
  const whole = by ? { ...supplier, precededBy: rekeyed(join, by) } : supplier
  // Seen from the stream it begins with the step that changes the key.
  return whole as unknown as ProcessorSupplier<K, V, G | null, VOut>
}

function looksUp<K, V, G, R, VOut>({
  kind,
  other,
  joiner,
}: RecordJoin<K, V, G, R, VOut>): Processor<G | null, V, G | null, VOut> {
  return {
    process(record, context) {
      const { key, value } = record
      if (value === null) return context.drop('null_value')
      if (key === null && kind === 'inner') return context.drop('null_key')
      const row = key === null ? undefined : other.get(key, context)
      if (!row && kind === 'inner') return
      context.forward(withValue(record, joiner(value, row?.value ?? null, key)))
    },
  }
}

/** Brings records to where the rows of their keys are. */
function rekeyed<K, V, G, R, VOut>(
  { name, kind, other, input = msgpack<V>(), partitions }: RecordJoin<K, V, G, R, VOut>,
  by: (value: V, key: K) => G | null,
): ProcessorSupplier<K, V, G | null, V> {
  return {
    name: `${name}-by`,
    operator: 'joinBy',
    changesKey: true,
    repartition: {
      name,
      key: nullable(other.rows.key) as Serde<unknown>,
      value: input as Serde<unknown>,
      ...(partitions !== undefined && { partitions }),
    },
    create: () => ({
      process(record, context) {
        const { key, value } = record
        if (value === null) {
          // As in Kafka Streams: what has no key either is left out as one whose new key is null, and that is not counted.
          if (key !== null || kind === 'left') context.drop('null_value')
          return
        }
        const group = by(value, key)
        if (group !== null || kind === 'left') context.forward(withKeyValue(record, group, value))
      },
    }),
  }
}
