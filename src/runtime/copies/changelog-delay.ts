/** How far a copy of a store is behind what its owner has committed. */
export interface Behind {
  /** Records of the changelog that it had not read when the end was last asked for. */
  readonly records: number
  /** Milliseconds since a moment at which it missed nothing: an upper bound, which grows while nobody tells where the changelog ends. */
  readonly ms: number
}

/** Where the changelog ended at some time. */
interface SeenEnd {
  readonly at: number
  readonly end: number
}

/** When they are full every second one is forgotten: what is long ago needs no more than a rough time. */
const maxEnds = 64

/** Knows from ends of one changelog that were seen how stale a copy of it is. */
export class ChangelogDelay {
  #ends: readonly SeenEnd[] = []

  /** `at`: when the end was asked for, on the clock. */
  see(at: number, end: number): void {
    const kept = this.#ends.length < maxEnds ? this.#ends : this.#ends.filter((_, index) => index % 2 === 0)
    this.#ends = [...kept, { at, end }]
  }

  /** Of a copy that has everything before `position`. Undefined while it is not known that it ever missed nothing. */
  behind(position: number, now: number): Behind | undefined {
    const complete = this.#ends.findLast(({ end }) => end <= position)
    const end = this.#ends.at(-1)?.end ?? 0
    return complete && { records: Math.max(0, end - position), ms: Math.max(0, now - complete.at) }
  }
}
