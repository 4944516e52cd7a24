import { hash } from 'node:crypto'
import type { Manifest } from '../src/model.ts'
import { manifestSerde } from '../src/operators/manifest/manifest-codec.ts'
import { compare, type Figure, rounded } from './measure.ts'

const repetitions = 20_000

/** A document of ten chunks. */
const manifest: Manifest = {
  source: { partition: 3, offset: 1_234_567 },
  pipeline: '0123456789abcdef',
  chunks: Array.from({ length: 10 }, (_, i) => {
    const digits = hash('sha256', `chunk ${i}`, 'hex')
    return { hash: digits.slice(0, 32), payloadHash: digits.slice(32, 48) }
  }),
  dirty: false,
}
const binary = manifestSerde.serialize(manifest)
const text = Buffer.from(JSON.stringify(manifest))

export async function manifestBytes(): Promise<Figure> {
  const value = rounded(text.length / binary.length)
  const detail = `JSON ${text.length} bytes, codec ${binary.length}, for a document of ten chunks; above 1 the codec is smaller`
  return { figure: 'manifest.bytes', value, unit: 'x', detail }
}

export async function manifestEncode(): Promise<Figure> {
  const { speedup } = await compare({
    clock: 'cpu',
    subject: () => repeat(() => manifestSerde.serialize(manifest)),
    baseline: () => repeat(() => Buffer.from(JSON.stringify(manifest))),
  })
  const detail = 'CPU time of JSON.stringify to bytes / of the codec, ten chunks; above 1 the codec is faster'
  return { figure: 'manifest.encode', value: rounded(speedup), unit: 'x', detail }
}

export async function manifestDecode(): Promise<Figure> {
  const { speedup } = await compare({
    clock: 'cpu',
    subject: () => repeat(() => manifestSerde.deserialize(binary)),
    baseline: () => repeat(() => JSON.parse(text.toString())),
  })
  const detail = 'CPU time of JSON.parse from bytes / of the codec, ten chunks; above 1 the codec is faster'
  return { figure: 'manifest.decode', value: rounded(speedup), unit: 'x', detail }
}

/** What comes out is looked at, or the work might be optimized away. */
function repeat(action: () => unknown): void {
  let done = 0
  for (let i = 0; i < repetitions; i++) if (action()) done++
  if (done !== repetitions) throw new Error('an action gave nothing')
}
