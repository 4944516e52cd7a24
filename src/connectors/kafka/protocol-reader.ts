/**
 * Reads bytes in the primitive types of the Kafka protocol (https://kafka.apache.org/protocol#protocol_types), one after the other. What is
 * called compact belongs to the flexible versions of requests and records (KIP-482). Throws RangeError beyond the end.
 */
export class ProtocolReader {
  readonly #bytes: Buffer
  #position: number

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#position = position
  }

  int8(): number {
    return this.#bytes.readInt8(this.#take(1))
  }

  int16(): number {
    return this.#bytes.readInt16BE(this.#take(2))
  }

  int32(): number {
    return this.#bytes.readInt32BE(this.#take(4))
  }

  int64(): bigint {
    return this.#bytes.readBigInt64BE(this.#take(8))
  }

  string(): string {
    return this.#text(this.int16())
  }

  compactString(): string {
    return this.#text(this.#varint() - 1)
  }

  array<Item>(item: () => Item): Item[] {
    return this.#items(this.int32(), item)
  }

  compactArray<Item>(item: () => Item): Item[] {
    return this.#items(this.#varint() - 1, item)
  }

  skipTags(): void {
    for (let left = this.#varint(); left > 0; left--) {
      this.#varint()
      this.#take(this.#varint())
    }
  }

  /** Null, which has a negative length, is empty here. */
  #text(length: number): string {
    const start = this.#take(Math.max(0, length))
    return this.#bytes.toString('utf8', start, this.#position)
  }

  #items<Item>(count: number, item: () => Item): Item[] {
    const items: Item[] = []
    while (items.length < count) items.push(item())
    return items
  }

  #varint(): number {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = this.#bytes.readUInt8(this.#take(1))
      value += (byte % 128) * scale
      if (byte < 128) return value
    }
  }

  #take(count: number): number {
    const start = this.#position
    if (start + count > this.#bytes.length) throw new RangeError('the bytes end too early')
    this.#position = start + count
    return start
  }
}
