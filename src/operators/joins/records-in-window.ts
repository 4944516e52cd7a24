import { msgpack, type Serde, textKeys } from '../../serde.ts'
import type { StoreSpec } from '../../state/store.ts'
import type { ProcessorSupplier } from '../../topology/processor.ts'
import { type FromSide, fromSide, listOf, type Side } from './side.ts'
import { type StreamJoin, WindowJoin } from './window-join.ts'

/** Each side has a node, `<name>-left` and `<name>-right`, that says where a record came from; the join is one node behind both. */
export function joinInWindow(join: StreamJoin): object {
  const { name, operator, other } = join
  const supplier: ProcessorSupplier<unknown, FromSide<unknown>, unknown, unknown> = {
    name,
    operator,
    inputs: [{ name: other.name, through: comingFrom('right', name) }],
    stores: storesOf(join),
    create: () => new WindowJoin(join),
  }
  return { ...supplier, precededBy: comingFrom('left', name) }
}

function comingFrom(side: Side, join: string): ProcessorSupplier<unknown, unknown, unknown, FromSide<unknown>> {
  return {
    name: `${join}-${side}`,
    operator: 'joinSide',
    create: () => ({
      process: (record, context) => context.forward({ ...record, value: { side, value: record.value } }),
    }),
  }
}

/** What came on each side, as long as it can find a match; and what has found none so far, where that comes out alone. */
function storesOf({ name, kind, within, storage = 'level', ...serdes }: StreamJoin): StoreSpec[] {
  const { key = textKeys<unknown>(), left = msgpack<unknown>(), right = msgpack<unknown>() } = serdes
  const base = { kind: 'window', storage } as const
  // Records of one time stay while it lasts.
  const retentionMs = Math.max(1, within.beforeMs + within.afterMs + within.graceMs)
  const sides: StoreSpec[] = [
    { ...base, name: `${name}-left`, key, value: listOf(left) as Serde<unknown>, retentionMs },
    { ...base, name: `${name}-right`, key, value: listOf(right) as Serde<unknown>, retentionMs },
  ]
  if (kind === 'inner') return sides
  const sidedKey = fromSide({ left: key, right: key }) as Serde<unknown>
  const values = listOf(fromSide({ left, right })) as Serde<unknown>
  return [
    ...sides,
    // The join itself takes out what it has sent.
    { ...base, name: `${name}-unmatched`, key: sidedKey, value: values, retentionMs: Number.POSITIVE_INFINITY },
  ]
}
