/** Answers where the largest value of a range is, in logarithmic time: a segment tree. Of equal values the leftmost counts. */
export class RangeMaximum {
  readonly #values: Float64Array
  /** Node i is the better one of nodes 2i and 2i + 1; the leaves start at `size`. */
  readonly #tree: Int32Array
  readonly #size: number

  constructor(values: Float64Array) {
    this.#values = values
    this.#size = values.length
    this.#tree = new Int32Array(2 * values.length)
    for (let i = 0; i < this.#size; i++) this.#tree[this.#size + i] = i
    for (let i = this.#size - 1; i > 0; i--) this.#tree[i] = this.#better(this.#node(2 * i), this.#node(2 * i + 1))
  }

  /** Index of the largest value from `from` to `to`, both included. Undefined when the range is empty. */
  indexOf(from: number, to: number): number | undefined {
    if (from > to) return undefined
    let best = from
    let left = from + this.#size
    let right = to + this.#size + 1
    while (left < right) {
      if (left % 2 === 1) best = this.#better(best, this.#node(left++))
      if (right % 2 === 1) best = this.#better(best, this.#node(--right))
      left >>= 1
      right >>= 1
    }
    return best
  }

  #node(index: number): number {
    return this.#tree[index] ?? 0
  }

  #better(a: number, b: number): number {
    const difference = (this.#values[a] ?? 0) - (this.#values[b] ?? 0)
    if (difference === 0) return Math.min(a, b)
    return difference > 0 ? a : b
  }
}
