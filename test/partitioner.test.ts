import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { murmur2, partitionFor } from '../src/partitioner.ts'

interface Vector {
  readonly key: string
  readonly murmur2: number
  readonly partition: Readonly<Record<string, number>>
}

/** Recorded from kafka-clients 4.3.1: 300 keys in base64 with their hash and their partition of topics of several sizes. */
const vectors: readonly Vector[] = JSON.parse(readFileSync(new URL('./fixtures/murmur2.json', import.meta.url), 'utf8'))

describe('partitioner', () => {
  test('hashes every recorded key as the Java client does', () => {
    const hashes = vectors.map(({ key }) => murmur2(Buffer.from(key, 'base64')))

    expect(hashes).toEqual(vectors.map((vector) => vector.murmur2))
  })

  test('chooses the partition that the Java client chooses', () => {
    const chosen = vectors.map(({ key, partition }) =>
      Object.keys(partition).map((count) => partitionFor(Buffer.from(key, 'base64'), Number(count))),
    )

    expect(chosen).toEqual(vectors.map(({ partition }) => Object.values(partition)))
  })

  test('reads bytes that do not start at the beginning of their buffer', () => {
    const bytes = new TextEncoder().encode('xfoobar').subarray(1)

    expect(murmur2(bytes)).toBe(-790332482)
  })
})
