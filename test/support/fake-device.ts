import type { Device, Encode } from '../../src/embed/engine.ts'
import { StreamError } from '../../src/errors.ts'

/** What the fake device makes of a row: sum and number of its ids. */
export function vectorOf(ids: Int32Array): readonly [sum: number, count: number] {
  return [ids.reduce((sum, id) => sum + id, 0), ids.length]
}

/** One token per character, its code. */
export function codesOf(text: string): Int32Array {
  return Int32Array.from(text, (character) => character.charCodeAt(0))
}

export const encodeCharacters: Encode = (texts) => texts.map((text) => ({ ids: codesOf(text), truncated: false }))

interface Run {
  readonly rows: readonly Int32Array[]
  readonly finish: () => void
  readonly refuse: (error: Error) => void
}

/** A device whose runs end when the test says so, or at once with `automatic`. */
export class FakeDevice implements Device {
  isUsable = true
  isOverloaded = false
  opened = 0
  /** Rows of every batch that it was given, as text. */
  readonly batches: string[][] = []
  readonly waiting: Run[] = []
  readonly #automatic: boolean
  readonly #refuses: (text: string) => boolean

  /** `refuses`: an automatic device refuses every batch with such a text. */
  constructor({ automatic = false, refuses = (_text: string): boolean => false } = {}) {
    this.#automatic = automatic
    this.#refuses = refuses
  }

  async open(): Promise<void> {
    this.opened++
    this.isUsable = true
  }

  run(rows: readonly Int32Array[]): Promise<Float32Array> {
    const texts = rows.map((row) => String.fromCharCode(...row))
    this.batches.push(texts)
    if (this.#automatic && texts.some(this.#refuses)) return Promise.reject(new StreamError('EMBED_FAILED', 'refused'))
    const vectors = Float32Array.from(rows.flatMap((row) => vectorOf(row)))
    if (this.#automatic) return Promise.resolve(vectors)
    return new Promise((resolve, reject) => {
      this.waiting.push({ rows, finish: () => resolve(vectors), refuse: reject })
    })
  }

  /** Ends the oldest run. */
  finishNext(): void {
    this.waiting.shift()?.finish()
  }

  refuseNext(message: string): void {
    this.waiting.shift()?.refuse(new StreamError('EMBED_FAILED', message))
  }

  /** Dies with everything that it was doing. */
  die(): void {
    this.isUsable = false
    for (const run of this.waiting.splice(0)) run.refuse(new StreamError('EMBED_FAILED', 'the device died'))
  }
}

/** Lets everything that is due happen: several turns of the event loop. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => setImmediate(resolve))
}
