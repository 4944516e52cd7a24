import { withKeyValue, withValue } from '../../record.ts'
import { msgpack, nullable, type Serde } from '../../serde.ts'
import type { Processor, ProcessorSupplier } from '../../topology/processor.ts'
import type { Table } from '../../topology/stream.ts'
import type { StoreAccess } from '../../topology/table.ts'
import { leaveOut } from './leave-out.ts'
import { waitForRows } from './records-in-grace.ts'

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
  readonly graceMs?: number | undefined
  readonly storage?: 'level' | 'memory'
}

export type AnyRecordJoin = RecordJoin<unknown, unknown, unknown, unknown, unknown>

/**
 * Looks up the row of each record: as it is now, or in a versioned table as it was at the time of the record. Throws what `waitForRows`
 * throws.
 */
export function joinRecords<K, V, G, R, VOut>(
  join: RecordJoin<K, V, G, R, VOut>,
): ProcessorSupplier<K, V, G | null, VOut> {
  const { name, operator, other, by, graceMs } = join
  const first = by && rekeyed(join, by)
  const waiting = graceMs === undefined ? undefined : waitForRows({ ...join, graceMs })
  const before = waiting && first ? { ...waiting, precededBy: first } : (waiting ?? first)
  const supplier = {
    name,
    operator,
    stores: other.stores,
    leavesOut: join.kind === 'inner',
    create: () => looksUp(join),
    ...(before && { precededBy: before }),
  }
  // Seen from the stream it begins with the step that comes first.
  return supplier as unknown as ProcessorSupplier<K, V, G | null, VOut>
}

function looksUp<K, V, G, R, VOut>({
  kind,
  other: { rows },
  joiner,
}: RecordJoin<K, V, G, R, VOut>): Processor<G | null, V, G | null, VOut> {
  const rowAt = (key: G, timestamp: number, context: StoreAccess) =>
    rows.history ? rows.history.getAsOf(key, timestamp, context) : rows.get(key, context)
  return {
    process(record, context) {
      const { key, value, timestamp } = record
      if (value === null) return leaveOut(record, context, 'null_value')
      if (key === null && kind === 'inner') return context.drop('null_key')
      const row = key === null ? undefined : rowAt(key, timestamp, context)
      if (!row && kind === 'inner') return leaveOut(record, context)
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
