import type { Cancel, Clock } from '../clock.ts'
import { isStreamError, reasonOf, StreamError, toStreamError } from '../errors.ts'
import { BatchFormer, type BatchFormerOptions } from './batch-former.ts'
import type { EmbedderStats, EmbedOptions } from './embedder.ts'
import { type Flight, Flights } from './flights.ts'
import type { Encoding } from './wordpiece.ts'

/** Something that runs batches: a worker thread. */
export interface Device {
  /** False once it is given up; `open` may bring it back. */
  readonly isUsable: boolean
  open(): Promise<unknown>
  /**
   * One vector per row, one after the other. The rows stay the caller's. Rejects with EMBED_FAILED; a device that is usable afterwards
   * has refused this batch, or could not finish it.
   */
  run(rows: readonly Int32Array[]): Promise<Float32Array>
}

export type Encode = (texts: readonly string[]) => readonly Encoding[] | Promise<readonly Encoding[]>

export interface EngineOptions extends BatchFormerOptions {
  readonly devices: readonly Device[]
  readonly encode: Encode
  readonly dimensions: number
  readonly clock: Clock
}

interface Slot {
  readonly device: Device
  /** Batches that the device has. */
  running: number
}

/** One batch to work on and one to go on with, so that a device never waits for this thread. */
const maxBatchesPerDevice = 2
/** Something that every model can embed: a device that refuses it too is broken. */
const harmlessText = '.'
/** What is tokenized before the event loop gets its turn: about a millisecond. */
const sliceCharacters = 32_768

/**
 * Runs the texts of all callers on all devices.
 *
 *   calls --texts in turn--> tokens --window--> batches --> devices (two batches each)
 *
 * What is held is bounded: the tokens of one window, and two batches per device. Calls beyond that wait, holding only their own
 * texts. Equal texts that are under way at the same time run once.
 *
 * A batch that a device refuses, or cannot finish, is run again row by row. The text that is refused alone gets EMBED_TEXT, unless the
 * device refuses a harmless text as well: then nobody is at fault, and the callers get EMBED_FAILED.
 */
export class EmbeddingEngine {
  readonly #options: EngineOptions
  readonly #former: BatchFormer<Flight>
  readonly #flights: Flights
  readonly #slots: readonly Slot[]
  readonly #counted = { texts: 0, sharedTexts: 0, tokens: 0, paddedTokens: 0, batches: 0, truncatedTexts: 0 }
  /** Texts that are being tokenized elsewhere; they will need room in the window. */
  #encoding = 0
  #pumpIsDue = false
  #cancelAlarm: Cancel | undefined
  #reviving: Promise<unknown> | undefined
  #isClosed = false

  constructor(options: EngineOptions) {
    this.#options = options
    this.#former = new BatchFormer(options.clock, options)
    this.#flights = new Flights((flight) => this.#former.remove(flight))
    this.#slots = options.devices.map((device) => ({ device, running: 0 }))
  }

  get stats(): EmbedderStats {
    const { paddedTokens, ...counted } = this.#counted
    return { ...counted, paddingRatio: paddedTokens === 0 ? 0 : 1 - counted.tokens / paddedTokens }
  }

  async embed(texts: readonly string[], signal: AbortSignal, options: EmbedOptions = {}): Promise<Float32Array[]> {
    if (this.#isClosed) throw new StreamError('ILLEGAL_STATE', 'the embedder is closed')
    if (texts.length === 0) return []
    if (!this.#hasUsableDevice) await this.#revive()
    signal.throwIfAborted()
    if (this.#isClosed) throw closed()
    this.#counted.texts += texts.length
    this.#schedule()
    return this.#flights.ask(texts, signal, options.onTruncated)
  }

  /** Callers that still wait get EMBED_FAILED. The devices stay open: they belong to whoever made them. */
  close(): void {
    this.#isClosed = true
    this.#cancelAlarm?.()
    this.#flights.failAll(closed())
  }

  get #hasUsableDevice(): boolean {
    return this.#slots.some(({ device }) => device.isUsable)
  }

  /** Devices that were given up are tried again when somebody needs one. */
  async #revive(): Promise<void> {
    this.#reviving ??= Promise.any(this.#slots.map(({ device }) => device.open())).finally(() => {
      this.#reviving = undefined
    })
    await this.#reviving.catch((error: unknown) => {
      const cause = error instanceof AggregateError ? error.errors[0] : error
      throw toStreamError(cause, 'EMBED_FAILED', 'no device can be started')
    })
  }

  /** All calls of this turn of the event loop are looked at together. */
  #schedule(): void {
    if (this.#pumpIsDue || this.#isClosed) return
    this.#pumpIsDue = true
    setImmediate(() => {
      this.#pumpIsDue = false
      if (!this.#isClosed) this.#pump()
    })
  }

  #pump(): void {
    this.#fillWindow()
    this.#dispatch()
    this.#cancelAlarm?.()
    const waitMs = this.#former.waitMs
    this.#cancelAlarm = waitMs ? this.#options.clock.after(waitMs, () => this.#dispatch()) : undefined
  }

  #fillWindow(): void {
    const fresh: Flight[] = []
    let characters = 0
    while (fresh.length < this.#former.room - this.#encoding) {
      if (characters >= sliceCharacters) {
        this.#schedule()
        break
      }
      const taken = this.#flights.take()
      if (!taken) break
      characters += taken.text.length + 1
      if (taken.fresh) fresh.push(taken.fresh)
      else this.#counted.sharedTexts++
    }
    if (fresh.length > 0) this.#encode(fresh)
  }

  #encode(flights: readonly Flight[]): void {
    const encodings = this.#options.encode(flights.map((flight) => flight.text))
    if (encodings instanceof Promise) void this.#admitLater(flights, encodings)
    else this.#admit(flights, encodings)
  }

  async #admitLater(flights: readonly Flight[], encodings: Promise<readonly Encoding[]>): Promise<void> {
    this.#encoding += flights.length
    try {
      this.#admit(flights, await encodings)
    } catch (error) {
      await this.#encodeOneByOne(flights, error)
    }
    this.#encoding -= flights.length
    this.#schedule()
  }

  async #encodeOneByOne(flights: readonly Flight[], refusal: unknown): Promise<void> {
    for (const flight of flights) {
      try {
        if (flights.length === 1) throw refusal
        this.#admit([flight], await this.#options.encode([flight.text]))
      } catch (error) {
        await this.#condemn(flight, error, this.#encodeHarmless())
      }
    }
  }

  #admit(flights: readonly Flight[], encodings: readonly Encoding[]): void {
    for (const [at, flight] of flights.entries()) {
      const encoding = encodings[at]
      if (!encoding) continue
      flight.ids = encoding.ids
      flight.truncated = encoding.truncated
      if (encoding.truncated) this.#counted.truncatedTexts++
      this.#enqueue(flight)
    }
  }

  #dispatch(): void {
    for (;;) {
      const usable = this.#slots.filter(({ device }) => device.isUsable)
      const idle = usable.filter((slot) => slot.running === 0)
      const slot = idle[0] ?? usable.find((candidate) => candidate.running < maxBatchesPerDevice)
      if (!slot) return
      const batch = idle.length > 0 ? this.#former.takeForIdle(idle.length) : this.#former.takeForBusy()
      if (batch.length === 0) return
      void this.#run(slot, batch)
    }
  }

  async #run(slot: Slot, batch: readonly Flight[]): Promise<void> {
    slot.running++
    try {
      const vectors = await slot.device.run(batch.map((flight) => flight.ids))
      this.#count(batch)
      this.#deliver(batch, vectors)
    } catch (error) {
      if (slot.device.isUsable) await this.#runOneByOne(slot.device, batch, error)
      else this.#giveBack(batch, error)
    }
    slot.running--
    this.#schedule()
  }

  #count(batch: readonly Flight[]): void {
    const longest = batch.reduce((most, flight) => Math.max(most, flight.tokens), 0)
    this.#counted.batches++
    this.#counted.tokens += batch.reduce((sum, flight) => sum + flight.tokens, 0)
    this.#counted.paddedTokens += longest * batch.length
  }

  #deliver(batch: readonly Flight[], vectors: Float32Array): void {
    const { dimensions } = this.#options
    for (const [row, flight] of batch.entries()) {
      // A copy: a view would hand the whole batch to whoever looks at `vector.buffer`.
      const vector = vectors.slice(row * dimensions, (row + 1) * dimensions)
      if (Number.isFinite(vector[0])) this.#flights.land(flight, vector)
      else this.#flights.fail([flight], new StreamError('EMBED_TEXT', 'the model gives no finite vector for a text'))
    }
  }

  /** Finds the texts of a refused batch that the device cannot bear; the others get their vectors. */
  async #runOneByOne(device: Device, batch: readonly Flight[], ofBatch: unknown): Promise<void> {
    for (const [at, flight] of batch.entries()) {
      if (!this.#flights.isWanted(flight)) continue
      const refusal = batch.length === 1 ? ofBatch : await this.#runAlone(device, flight)
      if (refusal === undefined) continue
      if (!device.isUsable) return this.#giveBack(batch.slice(at), refusal)
      const harmless = this.#encodeHarmless().then((ids) => device.run([ids]))
      await this.#condemn(flight, refusal, harmless)
    }
  }

  /** Gives what the device says against the text. */
  async #runAlone(device: Device, flight: Flight): Promise<unknown> {
    try {
      this.#deliver([flight], await device.run([flight.ids]))
      this.#count([flight])
      return undefined
    } catch (error) {
      return error
    }
  }

  async #encodeHarmless(): Promise<Int32Array> {
    const [encoding] = await this.#options.encode([harmlessText])
    return encoding?.ids ?? new Int32Array(0)
  }

  /** Fails who wants a text that was refused alone: with EMBED_TEXT when something harmless is not refused. */
  async #condemn(flight: Flight, refusal: unknown, harmless: Promise<unknown>): Promise<void> {
    const isInOrder = await harmless.then(
      () => true,
      () => false,
    )
    const { tokens, text } = flight
    const what = tokens > 0 ? `${tokens} tokens` : `${text.length} characters`
    const fact = `a text of ${what} cannot be embedded: ${isStreamError(refusal) ? refusal.fact : reasonOf(refusal)}`
    this.#flights.fail([flight], isInOrder ? new StreamError('EMBED_TEXT', fact, { cause: refusal }) : refusal)
  }

  /** The batch of a device that was given up goes to another one. */
  #giveBack(batch: readonly Flight[], error: unknown): void {
    if (this.#hasUsableDevice) {
      for (const flight of batch) this.#enqueue(flight)
      return
    }
    this.#flights.fail(batch, error)
    this.#flights.failAll(error)
  }

  #enqueue(flight: Flight): void {
    if (this.#flights.isWanted(flight)) this.#former.add(flight)
  }
}

function closed(): StreamError {
  return new StreamError('EMBED_FAILED', 'the embedder was closed', {
    fix: 'Close the embedder after those who use it.',
  })
}
