import { describe, expect, test } from 'vitest'
import type { Manifest } from '../../../src/model.ts'
import { manifestSerde } from '../../../src/operators/manifest/manifest-codec.ts'

const manifest: Manifest = {
  source: { partition: 3, offset: 1_234_567 },
  pipeline: '0123456789abcdef',
  chunks: [
    { hash: '00112233445566778899aabbccddeeff', payloadHash: '0011223344556677' },
    { hash: 'ffeeddccbbaa99887766554433221100', payloadHash: '7766554433221100' },
  ],
  dirty: false,
}

describe('a manifest', () => {
  test('has these bytes in format 1, for ever', () => {
    const bytes = manifestSerde.serialize(manifest)

    expect(Buffer.from(bytes).toString('hex')).toBe(
      [
        '0102', // format, flags: the pipeline is hexadecimal
        '03', // partition
        '88ad4b', // offset + 1
        '080123456789abcdef', // pipeline
        '00112233445566778899aabbccddeeff0011223344556677',
        'ffeeddccbbaa998877665544332211007766554433221100',
      ].join(''),
    )
    expect(manifestSerde.deserialize(bytes)).toEqual(manifest)
  })

  test.each<[name: string, change: Partial<Manifest>]>([
    ['without chunks', { chunks: [] }],
    ['that is dirty', { dirty: true }],
    ['that no record wrote', { source: { partition: 0, offset: -1 } }],
    ['at the largest offset', { source: { partition: 2 ** 31, offset: Number.MAX_SAFE_INTEGER - 1 } }],
    ['of a pipeline in words', { pipeline: 'Pipeline für alle' }],
    ['of a pipeline in capitals', { pipeline: 'ABCDEF' }],
    ['of a pipeline without a name', { pipeline: '' }],
  ])('%s survives', (_, change) => {
    const before = { ...manifest, ...change }

    expect(manifestSerde.deserialize(manifestSerde.serialize(before))).toEqual(before)
  })

  test('of a hundred chunks takes at most 24 bytes a chunk and 50 around them', () => {
    const chunks = Array.from({ length: 100 }, () => manifest.chunks[0] ?? { hash: '', payloadHash: '' })
    const source = { partition: 100_000, offset: 2 ** 50 }

    expect(manifestSerde.serialize({ ...manifest, source, chunks }).length).toBeLessThanOrEqual(50 + 24 * 100)
  })
})

describe('bytes that are no manifest', () => {
  const bytes = manifestSerde.serialize(manifest)

  test.each([0, 1, 2, 3, 5, 6, 10, bytes.length - 1])('because only %d are left are corrupt state', (length) => {
    expect(() => manifestSerde.deserialize(bytes.subarray(0, length))).toThrow(
      expect.objectContaining({ code: 'STATE_CORRUPT', reaction: 'restore' }),
    )
  })

  test('because the number never ends are corrupt state', () => {
    expect(() => manifestSerde.deserialize(new Uint8Array(30).fill(0xff).fill(1, 0, 1))).toThrow('STATE_CORRUPT')
  })

  test('of a newer format are named as such', () => {
    expect(() => manifestSerde.deserialize(Uint8Array.of(2, ...bytes.subarray(1)))).toThrow(
      'STATE_FORMAT: a manifest has format 2, this version reads format 1.',
    )
  })
})
