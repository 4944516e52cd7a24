/** What avsc asks of a type for longs of one's own: the bytes are 8, little-endian, two's complement. */
interface LongMethods<T> {
  fromBuffer(bytes: Buffer): T
  toBuffer(value: T): Buffer
  fromJSON(value: number | bigint): T
  toJSON(value: T): unknown
  isValid(value: unknown): boolean
  compare(left: T, right: T): number
}

/** Longs as numbers, none of them rounded: avsc 5.7.9 itself is off by one below -2^52. */
export const numberLongs: LongMethods<number> = {
  fromBuffer: (bytes) => {
    const value = bytes.readBigInt64LE()
    if (value > Number.MAX_SAFE_INTEGER || value < Number.MIN_SAFE_INTEGER) {
      throw new RangeError(`the long ${value} is beyond 2^53, where numbers are not exact (longs: 'bigint' reads it)`)
    }
    return Number(value)
  },
  toBuffer: (value) => bigintLongs.toBuffer(BigInt(value)),
  fromJSON: Number,
  toJSON: Number,
  isValid: Number.isSafeInteger,
  compare: (left, right) => left - right,
}

export const bigintLongs: LongMethods<bigint> = {
  fromBuffer: (bytes) => bytes.readBigInt64LE(),
  toBuffer: (value) => {
    const bytes = Buffer.alloc(8)
    bytes.writeBigInt64LE(value)
    return bytes
  },
  fromJSON: BigInt,
  toJSON: String,
  isValid: (value) => typeof value === 'bigint' && BigInt.asIntN(64, value) === value,
  compare: (left, right) => (left === right ? 0 : left < right ? -1 : 1),
}
