/** What happened, with its time: the evidence behind a report. */
export interface JournalEntry {
  readonly at: number
  readonly text: string
}

export class Journal {
  readonly #entries: JournalEntry[] = []
  readonly #onEntry: (entry: JournalEntry) => void
  #startedAt = Date.now()

  constructor(onEntry: (entry: JournalEntry) => void = () => undefined) {
    this.#onEntry = onEntry
  }

  get entries(): readonly JournalEntry[] {
    return this.#entries
  }

  /** Times are shown from now on. */
  start(): void {
    this.#startedAt = Date.now()
  }

  add(text: string): void {
    const entry = { at: Date.now(), text }
    this.#entries.push(entry)
    this.#onEntry(entry)
  }

  /** ` 12.345 s`, since the start. */
  time(at: number): string {
    return `${((at - this.#startedAt) / 1000).toFixed(3).padStart(8)} s`
  }

  /** What happened shortly before a moment, a line each. */
  before(at: number, withinMs: number): string[] {
    return this.#entries
      .filter((entry) => entry.at <= at && entry.at >= at - withinMs)
      .map((entry) => `${this.time(entry.at)}  ${entry.text}`)
  }
}
