import { StreamError } from '../../errors.ts'
import { type StreamRecord, withKeyValue, withValue } from '../../record.ts'
import { msgpack, nullable, type Serde } from '../../serde.ts'
import type { Processor, ProcessorContext, ProcessorSupplier } from '../../topology/processor.ts'
import type { Table } from '../../topology/stream.ts'
import type { StoreAccess } from '../../topology/table.ts'
import { dueAfterGrace, type GraceStore, graceStoreSpec } from './records-in-grace.ts'

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
 * Looks up the row of each record: as it is now, or in a versioned table as it was at the time of the record. Throws CONFIG_INVALID and
 * TOPOLOGY_INVALID for a grace that cannot be.
 */
export function joinRecords<K, V, G, R, VOut>(
  join: RecordJoin<K, V, G, R, VOut>,
): ProcessorSupplier<K, V, G | null, VOut> {
  const { name, operator, other, by, graceMs } = join
  const supplier: ProcessorSupplier<G | null, V, G | null, VOut> = {
    name,
    operator,
    ...(graceMs === undefined ? { stores: other.stores, create: () => joinsAtOnce(join) } : afterGrace(join, graceMs)),
  }
  const whole = by ? { ...supplier, precededBy: rekeyed(join, by) } : supplier
  // Seen from the stream it begins with the step that changes the key.
  return whole as unknown as ProcessorSupplier<K, V, G | null, VOut>
}

function joinsAtOnce<K, V, G, R, VOut>(join: RecordJoin<K, V, G, R, VOut>): Processor<G | null, V, G | null, VOut> {
  return {
    process(record, context) {
      const { key, value } = record
      if (value === null) return context.drop('null_value')
      if (key === null && join.kind === 'inner') return context.drop('null_key')
      sendJoined(join, { ...record, value }, context)
    },
  }
}

/** Records wait until rows of their time have come. Those without a key can wait nowhere. */
function afterGrace<K, V, G, R, VOut>(
  join: RecordJoin<K, V, G, R, VOut>,
  graceMs: number,
): Pick<ProcessorSupplier<G | null, V, G | null, VOut>, 'stores' | 'create'> {
  const { name, other, input = msgpack<V>(), storage = 'level' } = join
  if (!(graceMs >= 0)) {
    throw new StreamError('CONFIG_INVALID', `graceMs of join "${name}" is ${graceMs}`, { fix: 'Give 0 or more.' })
  }
  if (!other.rows.getAsOf) {
    const fact = `join "${name}" waits for the rows of a time, but table "${other.name}" knows only the latest`
    throw new StreamError('TOPOLOGY_INVALID', fact, { fix: 'Give the table `historyMs`, or leave out `graceMs`.' })
  }
  return {
    stores: [...other.stores, graceStoreSpec<unknown, unknown>({ name, key: other.rows.key, value: input, storage })],
    create: () => ({
      process(record, context) {
        const { key, value } = record
        if (value === null) return context.drop('null_value')
        if (key === null) return context.drop('null_key')
        const waiting = context.store<GraceStore<G, V>>(name)
        for (const due of dueAfterGrace(waiting, { ...record, key, value }, graceMs)) sendJoined(join, due, context)
      },
    }),
  }
}

function sendJoined<K, V, G, R, VOut>(
  { kind, other, joiner }: RecordJoin<K, V, G, R, VOut>,
  record: StreamRecord<G | null, V> & { readonly value: V },
  context: ProcessorContext<G | null, VOut>,
): void {
  const { key, value, timestamp } = record
  const row = key === null ? undefined : rowAt(other, key, timestamp, context)
  if (row || kind === 'left') context.forward(withValue(record, joiner(value, row?.value ?? null, key)))
}

function rowAt<K, V>({ rows }: Table<K, V>, key: K, timestamp: number, context: StoreAccess) {
  return rows.getAsOf ? rows.getAsOf(key, timestamp, context) : rows.get(key, context)
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
