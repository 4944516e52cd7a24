import { msgpack, type Serde } from '../../serde.ts'

export type Side = 'left' | 'right'

/** Something, and the stream that it came from. */
export interface FromSide<T> {
  readonly side: Side
  readonly value: T
}

/** In the order of the bytes the right side comes before the left one. */
const sideBytes = { right: 0, left: 1 } as const

/** A byte for the side, then the value as the serde of that side writes it. */
export function fromSide<T>(serdes: Readonly<Record<Side, Serde<T>>>): Serde<FromSide<T>> {
  return {
    name: `side(${serdes.left.name}, ${serdes.right.name})`,
    serialize: ({ side, value }) => Buffer.concat([Uint8Array.of(sideBytes[side]), serdes[side].serialize(value)]),
    deserialize: (bytes) => {
      const side: Side = bytes[0] === sideBytes.left ? 'left' : 'right'
      return { side, value: serdes[side].deserialize(bytes.subarray(1)) }
    },
  }
}

export function listOf<T>(serde: Serde<T>): Serde<readonly T[]> {
  const list = msgpack<readonly Uint8Array[]>()
  return {
    name: `list(${serde.name})`,
    serialize: (values) => list.serialize(values.map((value) => serde.serialize(value))),
    deserialize: (bytes) => list.deserialize(bytes).map((value) => serde.deserialize(value)),
  }
}
