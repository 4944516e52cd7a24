import { readFileSync } from 'node:fs'
import { brotliDecompressSync } from 'node:zlib'

const folder = new URL('../fixtures/', import.meta.url)

export interface TokenizerVector {
  readonly kind?: string
  readonly text: string
  readonly ids: readonly number[]
}

export interface RetrievalSet {
  readonly passages: readonly { readonly id: number; readonly text: string }[]
  readonly queries: readonly { readonly q: string; readonly pid: number }[]
}

export function tokenizerVectors(name: 'golden' | 'wordpiece-fuzz'): readonly TokenizerVector[] {
  const lines = readBrotli(`embed/${name}.jsonl.br`).trimEnd().split('\n')
  return lines.map((line) => JSON.parse(line) as TokenizerVector)
}

/** One vector per line of golden.jsonl. */
export function goldenVectors(name: 'fp32' | 'w8-exact' | 'w8-fast'): readonly Float32Array[] {
  const bytes = readFileSync(new URL(`embed/golden-${name}.f32`, folder))
  const numbers = new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength))
  return Array.from({ length: numbers.length / 384 }, (_, row) => numbers.slice(row * 384, (row + 1) * 384))
}

export function retrievalSet(): RetrievalSet {
  return JSON.parse(readBrotli('retrieval/retrieval.json.br')) as RetrievalSet
}

export function readFixture(name: string): string {
  return readFileSync(new URL(name, folder), 'utf8')
}

function readBrotli(name: string): string {
  return brotliDecompressSync(readFileSync(new URL(name, folder))).toString('utf8')
}
