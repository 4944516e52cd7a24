import { msgpack, type Serde } from './serde.ts'

/** Of something whose parts are plain data or have serdes of their own: MessagePack of what `pack` makes of it. */
export function packed<T, P>(name: string, pack: (value: T) => P, unpack: (parts: P) => T): Serde<T> {
  const parts = msgpack<P>()
  return {
    name,
    serialize: (value) => parts.serialize(pack(value)),
    deserialize: (bytes) => unpack(parts.deserialize(bytes)),
  }
}

/** A part that may be missing, for `packed`: as its serde writes it, or null. */
export function packOptional<T>(value: T | null, serde: Serde<T>): Uint8Array | null {
  return value === null ? null : serde.serialize(value)
}

/** What `packOptional` has packed. */
export function unpackOptional<T>(part: Uint8Array | null, serde: Serde<T>): T | null {
  return part === null ? null : serde.deserialize(part)
}
