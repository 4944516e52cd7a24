import { StreamError } from '../errors.ts'
import { keyOrder, type TextRange } from './key-text.ts'
import { type SortedEntries, SortedMap } from './sorted-map.ts'

/** A write that is not on disk yet. */
export interface OverlayEntry {
  readonly key: Uint8Array
  /** The serialized value; null when the key was deleted. */
  readonly bytes: Uint8Array | null
  /** The value as it was put; undefined when the key was deleted. */
  readonly value: unknown
}

interface Generation {
  readonly id: number
  /** In the order of the last write of each key. */
  readonly entries: Map<string, OverlayEntry>
  /** The same entries in key order, made when the first range asks for them. */
  ordered: SortedMap<OverlayEntry> | undefined
  bytes: number
}

/** What a held entry costs beside its key and value: the map's slot, the objects, the key as text. A round estimate. */
const entryOverheadBytes = 128

/**
 * The writes of one store that wait for their generation to commit. Generations are numbered upwards; a record beyond the gate may
 * still write into an older one while newer ones are open. Reads see the newest generation that knows the key.
 */
export class Overlay {
  /** Newest first. There are few: the runtime bounds them. */
  #generations: Generation[] = []
  #sealedThrough = Number.NEGATIVE_INFINITY

  /** `text` is the key's text (see key-text.ts). */
  put(generation: number, text: string, entry: OverlayEntry): void {
    if (generation <= this.#sealedThrough) {
      throw new StreamError('ILLEGAL_STATE', `generation ${generation} was written to after its commit had begun`)
    }
    const target = this.#generation(generation)
    const replaced = target.entries.get(text)
    if (replaced) {
      target.bytes -= sizeOf(replaced)
      // A map keeps the place of a key that is set again; the changelog wants the order of the last writes.
      target.entries.delete(text)
    }
    target.entries.set(text, entry)
    target.ordered?.set(text, entry)
    target.bytes += sizeOf(entry)
  }

  /** The newest write of that key; undefined when no open generation has one. */
  lookup(text: string): OverlayEntry | undefined {
    for (const { entries } of this.#generations) {
      const entry = entries.get(text)
      if (entry) return entry
    }
    return undefined
  }

  /** The newest write of each key, deletions too, in key order, as of this call. */
  range(range: TextRange): SortedEntries<OverlayEntry> {
    return merged(
      this.#generations.map((generation) => {
        generation.ordered ??= new SortedMap(generation.entries)
        return generation.ordered.entries(range)
      }),
      range.reverse ?? false,
    )
  }

  /** The last write of each key in that generation, with the key's text, in the order of these writes. */
  changes(generation: number): ReadonlyMap<string, OverlayEntry> {
    return this.#generations.find(({ id }) => id === generation)?.entries ?? noEntries
  }

  /** Estimated memory of one generation, or of all. */
  bytes(generation?: number): number {
    return this.#generations
      .filter(({ id }) => generation === undefined || id === generation)
      .reduce((sum, { bytes }) => sum + bytes, 0)
  }

  /** The oldest generation that holds a write. */
  get oldest(): number | undefined {
    return this.#generations.at(-1)?.id
  }

  /** The commit of that generation begins: neither it nor an older one may change any more. */
  seal(generation: number): void {
    this.#sealedThrough = Math.max(this.#sealedThrough, generation)
  }

  /** The generation is durable below: forget it here. */
  drop(generation: number): void {
    this.#generations = this.#generations.filter(({ id }) => id !== generation)
  }

  #generation(id: number): Generation {
    const newest = this.#generations[0]
    if (newest?.id === id) return newest
    const known = this.#generations.find((generation) => generation.id === id)
    if (known) return known
    const added = { id, entries: new Map(), ordered: undefined, bytes: 0 }
    this.#generations = [...this.#generations, added].sort((a, b) => b.id - a.id)
    return added
  }
}

const noEntries: ReadonlyMap<string, OverlayEntry> = new Map()

function sizeOf({ key, bytes }: OverlayEntry): number {
  return key.length + (bytes?.length ?? 0) + entryOverheadBytes
}

/** One sequence out of several, each in order; of equal keys the entry of the first source wins. */
function* merged<V>(sources: readonly SortedEntries<V>[], reverse: boolean): SortedEntries<V> {
  const heads = sources.map((source) => ({ source, entry: source.next().value }))
  for (let next = leading(heads, reverse); next; next = leading(heads, reverse)) {
    yield next
    for (const head of heads) if (head.entry?.[0] === next[0]) head.entry = head.source.next().value
  }
}

function leading<E extends readonly [string, unknown]>(
  heads: readonly { readonly entry: E | undefined }[],
  reverse: boolean,
): E | undefined {
  const precedes = keyOrder(reverse)
  return heads
    .map(({ entry }) => entry)
    .reduce((best, entry) => (best && !(entry && precedes(entry[0], best[0])) ? best : entry), undefined)
}
