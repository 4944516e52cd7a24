import type { Schema, types } from 'avsc'

/** The part of avsc's cursor over bytes that is used here. */
interface Tap {
  readonly buf: Uint8Array
  pos: number
  readLong(): number
  readString(): string
}

interface Items {
  _read(tap: Tap): unknown
  _skip(tap: Tap): void
}

/** How many items the next block has; 0 at the end. */
function blockSize(tap: Tap): number {
  const count = tap.readLong()
  // A negative count comes with the size of the block in bytes.
  if (count < 0) tap.readLong()
  const items = Math.abs(count)
  const left = tap.buf.length - tap.pos
  if (items > left) throw new RangeError(`it says that ${items} items follow, and there are ${Math.max(0, left)} bytes`)
  return items
}

/**
 * Arrays and maps that believe no count which the bytes cannot hold: avsc 5.7.9 makes room for whatever a record says, and goes on reading
 * behind its end, so that ten bytes could stop the process. Items without bytes, such as null, count as one.
 *
 * Used as avsc's `typeHook`.
 */
export function boundedTypes({ ArrayType, MapType }: typeof types) {
  class BoundedArrayType extends ArrayType {
    declare readonly itemsType: never

    _read(tap: Tap): unknown[] {
      const items: Items = this.itemsType
      const array: unknown[] = []
      for (let count = blockSize(tap); count > 0; count = blockSize(tap)) {
        for (let item = 0; item < count; item++) array.push(items._read(tap))
      }
      return array
    }

    _skip(tap: Tap): void {
      const items: Items = this.itemsType
      for (let count = blockSize(tap); count > 0; count = blockSize(tap)) {
        for (let item = 0; item < count; item++) items._skip(tap)
      }
    }
  }

  class BoundedMapType extends MapType {
    _read(tap: Tap): Record<string, unknown> {
      const values: Items = this.valuesType
      const entries: [string, unknown][] = []
      for (let count = blockSize(tap); count > 0; count = blockSize(tap)) {
        for (let entry = 0; entry < count; entry++) entries.push([tap.readString(), values._read(tap)])
      }
      // Unlike an assignment it makes a plain entry of `__proto__`.
      return Object.fromEntries(entries)
    }

    _skip(tap: Tap): void {
      const values: Items = this.valuesType
      for (let count = blockSize(tap); count > 0; count = blockSize(tap)) {
        for (let entry = 0; entry < count; entry++) {
          tap.readString()
          values._skip(tap)
        }
      }
    }
  }

  return (schema: Schema, options: unknown) => {
    if (typeof schema !== 'object' || !('type' in schema)) return undefined
    if (schema.type === 'array') return new BoundedArrayType(schema, options)
    return schema.type === 'map' ? new BoundedMapType(schema, options) : undefined
  }
}
