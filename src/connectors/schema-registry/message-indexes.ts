/** Messages inside of messages; a path that is deeper is no path. */
const deepest = 100

/** Which message of its file a value is: the place of the outer message, then of the one inside of it ... */
export interface IndexedMessage {
  readonly path: readonly number[]
  readonly message: Uint8Array
}

/**
 * Takes the path from before a message, as Confluent's serializers write it: how many places, then the places, each a zig-zag varint; a
 * single 0 stands for the first message of the file. Throws for bytes that are none.
 */
export function messageIn(payload: Uint8Array): IndexedMessage {
  let [count, at] = varintAt(payload, 0)
  if (count < 0 || count > deepest) throw new RangeError(`the path to its message has ${count} steps`)
  const path: number[] = count === 0 ? [0] : []
  for (; count > 0; count--) {
    const [place, next] = varintAt(payload, at)
    path.push(place)
    at = next
  }
  return { path, message: payload.subarray(at) }
}

export function withPath(path: readonly number[], message: Uint8Array): Uint8Array {
  const isFirst = path.length === 1 && path[0] === 0
  return Buffer.concat([...(isFirst ? [0] : [path.length, ...path]).map(varint), message])
}

function varintAt(bytes: Uint8Array, start: number): readonly [value: number, next: number] {
  let raw = 0
  for (let at = start; at < start + 5; at++) {
    const byte = bytes[at]
    if (byte === undefined) throw new RangeError('it ends inside of the path to its message')
    raw += (byte & 0x7f) * 2 ** (7 * (at - start))
    if (byte < 0x80) return [raw % 2 === 0 ? raw / 2 : -(raw + 1) / 2, at + 1]
  }
  throw new RangeError('the path to its message has a number that is too long')
}

function varint(value: number): Uint8Array {
  const bytes: number[] = []
  let rest = value * 2
  for (; rest > 0x7f; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 0x80)
  return Uint8Array.of(...bytes, rest)
}
