import { hash } from 'node:crypto'
import type { EmbedderId, EmbedOptions } from '../embedder.ts'

/** SHA-256 of an embedder's id, an input type and a text: 32 characters, one a byte. */
export type CacheKey = string

export type KeyOf = (text: string, inputType: EmbedOptions['inputType']) => CacheKey

export const keyBytes = 32

/**
 * How the texts of one embedder are named. The text enters as UTF-16, because in UTF-8 all unpaired surrogates are one: two texts with
 * other vectors would have one name.
 */
export function keysOf(embedder: EmbedderId): KeyOf {
  const seedOf = (inputType: string) => hash('sha256', JSON.stringify([embedder, inputType]), 'buffer')
  const seeds = { passage: seedOf('passage'), query: seedOf('query') }
  return (text, inputType = 'passage') => {
    const bytes = Buffer.allocUnsafe(keyBytes + text.length * 2)
    bytes.set(seeds[inputType])
    bytes.write(text, keyBytes, 'utf16le')
    return hash('sha256', bytes, 'binary')
  }
}
