/** Where the hash of a word starts (FNV-1a). */
export const emptyHash = 0x811c9dc5 | 0

/** The hash of a word that is one UTF-16 unit longer. */
export function extendHash(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193)
}

const maxWords = 32_768
/** Twice the words, so that a probe sequence stays short; a power of two, so that wrapping is a mask. */
const slotMask = maxWords * 2 - 1
const maxUnits = maxWords * 12
const maxIds = maxWords * 4

/**
 * The token ids of words that were seen before, in about 2 MB whatever the texts are.
 *
 * Words are compared where they stand in the text: a look-up makes no string, which is most of the time that a `Map` of words would
 * take. When the tables are full they start again empty: that needs no order of use, and they refill within a few thousand words.
 */
export class WordCache {
  readonly #slots = new Int32Array(slotMask + 1).fill(-1)
  readonly #hashes = new Int32Array(maxWords)
  readonly #units = new Uint16Array(maxUnits)
  readonly #ids = new Int32Array(maxIds)
  /** Word w owns the units from `#unitEnds[w - 1]` to `#unitEnds[w]`, and its ids in the same way. */
  readonly #unitEnds = new Int32Array(maxWords)
  readonly #idEnds = new Int32Array(maxWords)
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The number of the word `text[from, to)`, or -1. `hash` is that of its units. */
  find(text: string, from: number, to: number, hash: number): number {
    for (let slot = hash & slotMask; ; slot = (slot + 1) & slotMask) {
      const word = this.#slots[slot] ?? -1
      if (word === -1 || (this.#hashes[word] === hash && this.#equals(word, text, from, to))) return word
    }
  }

  /** Remembers a word that `find` did not know. Words that are too long for the tables are left out. */
  add(word: string, hash: number, ids: readonly number[]): void {
    if (word.length > maxUnits || ids.length > maxIds) return
    if (!this.#fits(word.length, ids.length)) this.#clear()
    const number = this.#size++
    const unitStart = this.#startOf(this.#unitEnds, number)
    for (let at = 0; at < word.length; at++) this.#units[unitStart + at] = word.charCodeAt(at)
    this.#unitEnds[number] = unitStart + word.length
    const idStart = this.#startOf(this.#idEnds, number)
    this.#ids.set(ids, idStart)
    this.#idEnds[number] = idStart + ids.length
    this.#hashes[number] = hash
    let slot = hash & slotMask
    while (this.#slots[slot] !== -1) slot = (slot + 1) & slotMask
    this.#slots[slot] = number
  }

  /** Hands the ids of a word to `output`. */
  copyTo(output: { push(id: number): void }, word: number): void {
    const end = this.#idEnds[word] ?? 0
    for (let at = this.#startOf(this.#idEnds, word); at < end; at++) output.push(this.#ids[at] ?? 0)
  }

  #equals(word: number, text: string, from: number, to: number): boolean {
    const start = this.#startOf(this.#unitEnds, word)
    if ((this.#unitEnds[word] ?? 0) - start !== to - from) return false
    for (let at = from; at < to; at++) if (this.#units[start + at - from] !== text.charCodeAt(at)) return false
    return true
  }

  #fits(units: number, ids: number): boolean {
    const usedUnits = this.#startOf(this.#unitEnds, this.#size)
    const usedIds = this.#startOf(this.#idEnds, this.#size)
    return this.#size < maxWords && usedUnits + units <= maxUnits && usedIds + ids <= maxIds
  }

  #startOf(ends: Int32Array, word: number): number {
    return word === 0 ? 0 : (ends[word - 1] ?? 0)
  }

  #clear(): void {
    this.#slots.fill(-1)
    this.#size = 0
  }
}
