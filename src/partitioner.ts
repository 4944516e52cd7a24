import type { Serde } from './serde.ts'

const multiplier = 0x5bd1e995
const rotation = 24
const seed = 0x9747b28c

/**
 * Austin Appleby's MurmurHash 2 (32 bits), as Kafka's Java clients compute it: a signed integer.
 *
 * @example
 * murmur2(new TextEncoder().encode('foobar')) // -790332482
 */
export function murmur2(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tail = bytes.length & ~3
  let hash = seed ^ bytes.length
  for (let index = 0; index < tail; index += 4) {
    let word = Math.imul(view.getInt32(index, true), multiplier)
    word = Math.imul(word ^ (word >>> rotation), multiplier)
    hash = Math.imul(hash, multiplier) ^ word
  }
  if (tail < bytes.length) {
    for (let index = bytes.length - 1; index >= tail; index--) hash ^= view.getUint8(index) << ((index - tail) * 8)
    hash = Math.imul(hash, multiplier)
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier)
  return hash ^ (hash >>> 15)
}

/** The partition that Kafka's own clients give a record with this key, so that topics written by either are co-partitioned. */
export function partitionFor(key: Uint8Array, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions
}

/** The partition of a key as its serde has written it. All windows of a key are in the partition of the key itself, as in Kafka Streams. */
export function keyPartition(
  key: Uint8Array,
  serde: Pick<Serde<unknown>, 'partitionedBy'>,
  partitions: number,
): number {
  return partitionFor(serde.partitionedBy?.(key) ?? key, partitions)
}
