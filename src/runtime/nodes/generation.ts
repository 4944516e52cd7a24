/** Offsets to continue from, by topic and partition: `topic-partition` -> next offset to take. */
export type Positions = ReadonlyMap<string, number>

/**
 * A generation: the records that were taken between two cuts, and everything they write. It is committed as a whole, in order, once
 * each of its records is done. See docs/guarantees.md, "Generations".
 *
 *   open --freeze--> frozen --last record done--> complete --commit--> (gone)
 */
export class Generation {
  readonly id: number
  readonly openedAt: number
  #unfinished = 0
  #records = 0
  #positions: Positions | undefined
  /** An open generation may be empty for long before a record comes. */
  firstTakenAt: number | undefined

  constructor(id: number, openedAt: number) {
    this.id = id
    this.openedAt = openedAt
  }

  /** Records that were taken in this generation. */
  get records(): number {
    return this.#records
  }

  /** What the log position was when the generation was cut: w(g). Undefined while it is open. */
  get positions(): Positions | undefined {
    return this.#positions
  }

  get complete(): boolean {
    return this.#positions !== undefined && this.#unfinished === 0
  }

  take(): void {
    this.#records++
    this.#unfinished++
  }

  finish(): void {
    this.#unfinished--
  }

  freeze(positions: Positions): void {
    this.#positions = positions
  }
}

/** The generations of a task: one open, the others frozen and waiting for their turn. */
export class Generations {
  #nextId = 0
  #open: Generation
  readonly #frozen: Generation[] = []

  constructor(now: number) {
    this.#open = new Generation(this.#nextId++, now)
  }

  get open(): Generation {
    return this.#open
  }

  /** When the first of the records was taken that are in one of them. */
  get oldestTakenAt(): number | undefined {
    return [...this.#frozen, this.#open].find(({ firstTakenAt }) => firstTakenAt !== undefined)?.firstTakenAt
  }

  /** The open one counts. */
  get count(): number {
    return this.#frozen.length + 1
  }

  /** The oldest one, if it can be committed. Generations commit strictly in order, so a younger complete one waits. */
  get committable(): Generation | undefined {
    const oldest = this.#frozen[0]
    return oldest?.complete ? oldest : undefined
  }

  cut(positions: Positions, now: number): void {
    this.#open.freeze(positions)
    this.#frozen.push(this.#open)
    this.#open = new Generation(this.#nextId++, now)
  }

  /** Forgets the oldest generation once it is committed. */
  committed(generation: Generation): void {
    if (this.#frozen[0] === generation) this.#frozen.shift()
  }
}
