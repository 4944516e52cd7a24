import type { TextRange } from './key-text.ts'

export type SortedEntries<V> = IteratorObject<readonly [key: string, value: V], undefined>

/** A run of neighbouring entries. Only the map of the same epoch may change it: older ones belong to a snapshot too. */
interface Run<V> {
  readonly epoch: number
  readonly keys: string[]
  readonly values: V[]
}

const maxRunLength = 256

/**
 * A map in key order whose snapshots cost nothing when they are taken: entries lie in short runs, and the first write after a snapshot
 * copies only the run that it touches. Look-ups are binary searches; appending in key order is the fast path.
 */
export class SortedMap<V> {
  #runs: Run<V>[] = []
  #epoch = 0
  #runsShared = false
  #size = 0

  constructor(entries: Iterable<readonly [key: string, value: V]> = []) {
    for (const [key, value] of entries) this.set(key, value)
  }

  get size(): number {
    return this.#size
  }

  get(key: string): V | undefined {
    const run = this.#runs[runOf(this.#runs, key)]
    if (!run) return undefined
    const at = firstAtOrAfter(run.keys, key)
    return run.keys[at] === key ? run.values[at] : undefined
  }

  set(key: string, value: V): void {
    const index = runOf(this.#runs, key)
    const run = this.#writable(index)
    if (!run) {
      this.#runs.push({ epoch: this.#epoch, keys: [key], values: [value] })
      this.#size++
      return
    }
    const at = firstAtOrAfter(run.keys, key)
    if (run.keys[at] === key) {
      run.values[at] = value
      return
    }
    run.keys.splice(at, 0, key)
    run.values.splice(at, 0, value)
    this.#size++
    if (run.keys.length > maxRunLength) this.#split(index, run, at)
  }

  delete(key: string): boolean {
    const index = runOf(this.#runs, key)
    const found = this.#runs[index]
    if (!found) return false
    const at = firstAtOrAfter(found.keys, key)
    if (found.keys[at] !== key) return false
    const run = this.#writable(index)
    run?.keys.splice(at, 1)
    run?.values.splice(at, 1)
    if (run?.keys.length === 0) this.#runs.splice(index, 1)
    this.#size--
    return true
  }

  /** Entries in key order as they are now, whatever is written while they are read. */
  entries(range: TextRange = {}): SortedEntries<V> {
    this.#epoch++
    this.#runsShared = true
    return range.reverse ? descending(this.#runs, range) : ascending(this.#runs, range)
  }

  #writable(index: number): Run<V> | undefined {
    if (this.#runsShared) {
      this.#runs = this.#runs.slice()
      this.#runsShared = false
    }
    const run = this.#runs[index]
    if (!run || run.epoch === this.#epoch) return run
    const copy = { epoch: this.#epoch, keys: run.keys.slice(), values: run.values.slice() }
    this.#runs[index] = copy
    return copy
  }

  /** In halves; but a run that grows at the end of the map stays full, so that appending in order leaves no half-empty runs behind. */
  #split(index: number, run: Run<V>, grewAt: number): void {
    const appended = index === this.#runs.length - 1 && grewAt === maxRunLength
    const at = appended ? maxRunLength : maxRunLength >>> 1
    this.#runs.splice(index + 1, 0, { epoch: this.#epoch, keys: run.keys.splice(at), values: run.values.splice(at) })
  }
}

/** The run that holds `key`, or would: the last one that starts at or before it. */
function runOf(runs: readonly Run<unknown>[], key: string): number {
  let low = 0
  let high = runs.length - 1
  while (low < high) {
    const middle = (low + high + 1) >>> 1
    if ((runs[middle]?.keys[0] ?? '') <= key) low = middle
    else high = middle - 1
  }
  return low
}

function firstAtOrAfter(keys: readonly string[], key: string): number {
  const last = keys[keys.length - 1]
  if (last === undefined || last < key) return keys.length
  let low = 0
  let high = keys.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((keys[middle] ?? '') < key) low = middle + 1
    else high = middle
  }
  return low
}

function* ascending<V>(runs: readonly Run<V>[], range: TextRange): SortedEntries<V> {
  for (const entry of forwards(runs, range.gte ?? range.gt ?? '')) {
    if (isAbove(entry[0], range)) return
    if (!isBelow(entry[0], range)) yield entry
  }
}

function* descending<V>(runs: readonly Run<V>[], range: TextRange): SortedEntries<V> {
  for (const entry of backwards(runs, range.lte ?? range.lt)) {
    if (isBelow(entry[0], range)) return
    if (!isAbove(entry[0], range)) yield entry
  }
}

function* forwards<V>(runs: readonly Run<V>[], from: string): SortedEntries<V> {
  for (const { keys, values } of runs.slice(runOf(runs, from))) {
    for (let at = firstAtOrAfter(keys, from); at < keys.length; at++) yield [keys[at] ?? '', values[at] as V]
  }
}

function* backwards<V>(runs: readonly Run<V>[], from: string | undefined): SortedEntries<V> {
  const first = from === undefined ? runs : runs.slice(0, runOf(runs, from) + 1)
  for (const { keys, values } of first.toReversed()) {
    const start = from === undefined ? keys.length : firstAtOrAfter(keys, from) + 1
    for (let at = Math.min(start, keys.length) - 1; at >= 0; at--) yield [keys[at] ?? '', values[at] as V]
  }
}

function isAbove(key: string, { lt, lte }: TextRange): boolean {
  return (lt !== undefined && key >= lt) || (lte !== undefined && key > lte)
}

function isBelow(key: string, { gt, gte }: TextRange): boolean {
  return (gt !== undefined && key <= gt) || (gte !== undefined && key < gte)
}
