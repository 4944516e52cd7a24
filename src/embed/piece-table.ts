import { emptyHash, extendHash } from './word-cache.ts'

/** As many as BERT has, so that its table need not grow. A power of two. */
const firstPieces = 32_768
const firstUnits = firstPieces * 8

/**
 * Pieces of words and their ids. Pieces are compared where they stand in a text: finding one makes no string, so a new word is taken apart
 * in a quarter of the time that it takes with a `Map` of strings.
 */
export class PieceTable {
  /** Number of a piece + 1, 0 where there is none; twice as many as pieces, so that a probe sequence stays short. */
  #slots = new Int32Array(firstPieces * 2)
  #hashes = new Int32Array(firstPieces)
  #ids = new Int32Array(firstPieces)
  /** Piece p owns the units from `#ends[p - 1]` to `#ends[p]`. */
  #ends = new Int32Array(firstPieces)
  #units = new Uint16Array(firstUnits)
  #size = 0
  #longest = 0

  get size(): number {
    return this.#size
  }

  /** Adds what `text` is from `from` on; a piece that is there gets the new id. */
  add(text: string, id: number, from = 0): void {
    let hash = emptyHash
    for (let at = from; at < text.length; at++) hash = extendHash(hash, text.charCodeAt(at))
    const known = this.#find(text, from, text.length, hash)
    const piece = known === -1 ? this.#append(text, from, hash) : known
    this.#ids[piece] = id
  }

  /** The longest piece that `text` goes on with at `from`: its number, or -1. */
  longestAt(text: string, from: number): number {
    const end = Math.min(text.length, from + this.#longest)
    let longest = -1
    let hash = emptyHash
    for (let at = from; at < end; at++) {
      hash = extendHash(hash, text.charCodeAt(at))
      const piece = this.#find(text, from, at + 1, hash)
      if (piece !== -1) longest = piece
    }
    return longest
  }

  /** The id of a whole piece; undefined when there is no such piece. */
  idOf(text: string): number | undefined {
    const piece = this.longestAt(text, 0)
    return piece !== -1 && this.lengthAt(piece) === text.length ? this.idAt(piece) : undefined
  }

  idAt(piece: number): number {
    return this.#ids[piece] ?? -1
  }

  /** In UTF-16 units. */
  lengthAt(piece: number): number {
    return (this.#ends[piece] ?? 0) - this.#startOf(piece)
  }

  #append(text: string, from: number, hash: number): number {
    const piece = this.#size++
    if (piece === this.#ids.length) this.#growPieces()
    const start = this.#startOf(piece)
    const end = start + text.length - from
    while (end > this.#units.length) this.#units = doubled(this.#units)
    for (let at = from; at < text.length; at++) this.#units[start + at - from] = text.charCodeAt(at)
    this.#ends[piece] = end
    this.#hashes[piece] = hash
    this.#longest = Math.max(this.#longest, text.length - from)
    this.#occupy(piece)
    return piece
  }

  #growPieces(): void {
    this.#hashes = doubled(this.#hashes)
    this.#ids = doubled(this.#ids)
    this.#ends = doubled(this.#ends)
    const known = this.#slots.length / 2
    this.#slots = new Int32Array(this.#slots.length * 2)
    for (let piece = 0; piece < known; piece++) this.#occupy(piece)
  }

  #occupy(piece: number): void {
    const mask = this.#slots.length - 1
    let slot = (this.#hashes[piece] ?? 0) & mask
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
    this.#slots[slot] = piece + 1
  }

  #find(text: string, from: number, to: number, hash: number): number {
    const mask = this.#slots.length - 1
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const piece = (this.#slots[slot] ?? 0) - 1
      if (piece === -1 || (this.#hashes[piece] === hash && this.#equals(piece, text, from, to))) return piece
    }
  }

  #equals(piece: number, text: string, from: number, to: number): boolean {
    const start = this.#startOf(piece)
    if ((this.#ends[piece] ?? 0) - start !== to - from) return false
    for (let at = from; at < to; at++) if (this.#units[start + at - from] !== text.charCodeAt(at)) return false
    return true
  }

  #startOf(piece: number): number {
    return piece === 0 ? 0 : (this.#ends[piece - 1] ?? 0)
  }
}

function doubled<T extends Int32Array | Uint16Array>(array: T): T {
  const larger = new (array.constructor as new (length: number) => T)(array.length * 2)
  larger.set(array)
  return larger
}
