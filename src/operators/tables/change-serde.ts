import { packed, packOptional, unpackOptional } from '../../packed-serde.ts'
import type { Serde } from '../../serde.ts'
import { type Change, changeBetween } from '../../topology/table.ts'

type Packed = readonly [newValue: Uint8Array | null, oldValue: Uint8Array | null]

/** A change on its way through a topic: the new value and the old one, each as its serde writes it. */
export function changeOf<V>(value: Serde<V>): Serde<Change<V>> {
  return packed(
    `change(${value.name})`,
    (change): Packed => [packOptional(change.newValue, value), packOptional(change.oldValue(), value)],
    ([newValue, oldValue]) => changeBetween(unpackOptional(newValue, value), unpackOptional(oldValue, value)),
  )
}
