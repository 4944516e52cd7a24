import { msgpack, type Serde } from '../../serde.ts'
import type { Change } from '../../topology/table.ts'

/** A change on its way through a topic: the new value and the old one, each as its serde writes it. */
export function changeOf<V>(value: Serde<V>): Serde<Change<V>> {
  const pair = msgpack<readonly [newValue: Uint8Array | null, oldValue: Uint8Array | null]>()
  const bytesOf = (one: V | null) => (one === null ? null : value.serialize(one))
  const valueIn = (bytes: Uint8Array | null) => (bytes === null ? null : value.deserialize(bytes))
  return {
    name: `change(${value.name})`,
    serialize: (change) => pair.serialize([bytesOf(change.newValue), bytesOf(change.oldValue())]),
    deserialize: (bytes) => {
      const [newBytes, oldBytes] = pair.deserialize(bytes)
      const oldValue = valueIn(oldBytes)
      return { newValue: valueIn(newBytes), oldValue: () => oldValue }
    },
  }
}
