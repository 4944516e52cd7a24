import type { Cancel, Clock } from '../clock.ts'
import { factOf, StreamError, toStreamError } from '../errors.ts'
import type { SharedWork } from '../topology/processor.ts'
import { Absence } from './absence.ts'
import { type Batch, BatchFormer, type BatchFormerOptions } from './batch-former.ts'
import type { EmbedderStats, EmbedOptions } from './embedder.ts'
import { type Flight, Flights, type Sized } from './flights.ts'
import { tokenizing } from './tokenizing.ts'

/** Something that runs batches: a worker thread is given token ids, a server the texts themselves. */
export interface Device<Ids = Int32Array> {
  /** False once it is given up; `open` may bring it back. */
  readonly isUsable: boolean
  /** It has asked for patience, and gets no further batch as long as it does. Default false. */
  readonly isOverloaded?: boolean
  open(): Promise<unknown>
  /**
   * One vector per row, one after the other. The rows stay the caller's. Rejects with EMBED_FAILED; a device that is usable afterwards
   * has refused this batch, or could not finish it.
   */
  run(rows: readonly Ids[]): Promise<Float32Array>
}

/** A text as devices take it. */
export interface Encoded<Ids> {
  readonly ids: Ids
  /** The text has more tokens than fitted. */
  readonly truncated: boolean
}

export type Encode<Ids = Int32Array> = (
  texts: readonly string[],
) => readonly Encoded<Ids>[] | Promise<readonly Encoded<Ids>[]>

export interface EngineOptions<Ids = Int32Array> extends BatchFormerOptions {
  readonly devices: readonly Device<Ids>[]
  readonly encode: Encode<Ids>
  readonly dimensions: number
  readonly clock: Clock
  /** Default 2: one batch to work on and one to go on with, so that a device never waits for this thread. */
  readonly maxBatchesPerDevice?: number
  /**
   * Parts that a refused batch is run in, and the refused parts again, until a text is refused alone. Default: as many as it has texts,
   * so that one that hangs hangs once more only. 2 asks least when refusing takes no time.
   */
  readonly refusedParts?: number
}

interface Slot<Ids> {
  readonly device: Device<Ids>
  readonly absence: Absence
  /** Batches that the device has. */
  running: number
}

/** What is told of a batch beside its texts. That a device had refused them together is a reason too, and then nothing has waited. */
type Closed = Pick<SharedWork, 'reason' | 'waitedMs'>

/** Of a chunk, at a guess. */
const usualTokens = 128
/** Something that every model can embed: a device that refuses it too is broken. */
export const harmlessText = '.'
/** What is tokenized before the event loop gets its turn: about a millisecond. */
const sliceCharacters = 32_768
/** How often devices that take no batches are looked at while texts wait. */
const absencePollMs = 1_000

/**
 * Runs the texts of all callers on all devices.
 *
 *   calls --texts in turn--> tokens --window--> batches --> devices (some batches each)
 *
 * What is held is bounded: the tokens of one window, and the batches of the devices. Calls beyond that wait, holding only their own
 * texts. Equal texts that are under way at the same time run once.
 *
 * A batch that a device refuses, or cannot finish, is run again in parts. The text that is refused alone, or has no usable vector, gets
 * EMBED_TEXT, unless it is the same with a harmless text: then nobody is at fault, and the callers get EMBED_FAILED.
 */
export class EmbeddingEngine<Ids extends Sized = Int32Array> {
  readonly #options: EngineOptions<Ids>
  readonly #former: BatchFormer<Flight<Ids>>
  readonly #flights: Flights<Ids>
  readonly #slots: readonly Slot<Ids>[]
  readonly #counted = { texts: 0, sharedTexts: 0, tokens: 0, paddedTokens: 0, batches: 0, truncatedTexts: 0 }
  /** Texts that are being tokenized elsewhere; they will need room in the window. */
  #encoding = 0
  #pumpIsDue = false
  #cancelAlarm: Cancel | undefined
  #isReviving = false
  #isClosed = false

  constructor(options: EngineOptions<Ids>) {
    this.#options = options
    this.#former = new BatchFormer(options.clock, options)
    this.#flights = new Flights<Ids>((flight) => this.#former.remove(flight))
    this.#slots = options.devices.map((device) => ({
      device,
      absence: new Absence(device, options.clock),
      running: 0,
    }))
  }

  get stats(): EmbedderStats {
    const { paddedTokens, ...counted } = this.#counted
    const now = this.#options.clock.now()
    // A wall clock may have been set back.
    const oldestWaitMs = Math.max(0, now - (this.#flights.oldestAskedAt ?? now))
    const paddingRatio = paddedTokens === 0 ? 0 : 1 - counted.tokens / paddedTokens
    return { ...counted, oldestWaitMs, waitingTexts: this.#flights.waitingTexts, paddingRatio }
  }

  /** Texts that the devices have when each is busy, and as many again to choose from. */
  get textsAtOnce(): number {
    const batches = 2 * this.#maxBatchesPerDevice * this.#slots.length
    return Math.ceil((batches * this.#former.maxBatchTokens) / usualTokens)
  }

  async embed(texts: readonly string[], signal: AbortSignal, options: EmbedOptions = {}): Promise<Float32Array[]> {
    if (this.#isClosed) throw new StreamError('ILLEGAL_STATE', 'the embedder is closed')
    if (texts.length === 0) return []
    signal.throwIfAborted()
    this.#counted.texts += texts.length
    this.#schedule()
    return this.#flights.ask(texts, signal, { ...options, askedAt: this.#options.clock.now() })
  }

  /** Callers that still wait get EMBED_FAILED. The devices stay open: they belong to whoever made them. */
  close(): void {
    this.#isClosed = true
    this.#cancelAlarm?.()
    this.#flights.failAll(closed())
  }

  get #maxBatchesPerDevice(): number {
    return this.#options.maxBatchesPerDevice ?? 2
  }

  get #hasUsableDevice(): boolean {
    return this.#slots.some(({ device }) => device.isUsable)
  }

  /** Devices that were given up are tried again when there is work: at once when no other can do it. */
  #bringBack(): void {
    if (!this.#hasUsableDevice) void this.#revive()
    else for (const { absence } of this.#slots) absence.end(() => this.#schedule())
  }

  async #revive(): Promise<void> {
    if (this.#isReviving) return
    this.#isReviving = true
    const opening = Promise.any(this.#slots.map(({ device }) => device.open()))
    const failure: unknown = await opening.then(
      () => undefined,
      ({ errors: [cause] }: AggregateError) => cause,
    )
    // Whoever hears of the failure may ask again at once.
    this.#isReviving = false
    if (this.#hasUsableDevice) this.#schedule()
    else this.#flights.failAll(toStreamError(failure, 'EMBED_FAILED', 'no device can be started'))
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
    if (this.#flights.hasCalls) this.#bringBack()
    this.#fillWindow()
    this.#dispatch()
    this.#cancelAlarm?.()
    const waitMs = this.#former.waitMs
    if (waitMs === undefined) return
    // Timers fire up to a millisecond early by the wall clock: it is looked at again then. Texts that have waited long enough wait for a
    // device: one whose batch ends says so, one that comes back by itself does not.
    const pauseMs = waitMs > 0 ? waitMs : absencePollMs
    if (waitMs > 0 || this.#slots.some(({ device }) => !takesBatches(device)))
      this.#cancelAlarm = this.#options.clock.after(pauseMs, () => this.#pump())
  }

  #fillWindow(): void {
    const fresh: Flight<Ids>[] = []
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

  #encode(flights: readonly Flight<Ids>[]): void {
    const { encode, clock } = this.#options
    const measured = tokenizing(clock)
    const encodings = encode(flights.map((flight) => flight.text))
    const admit = (encoded: readonly Encoded<Ids>[]) => {
      const work = measured(encoded)
      if (work) this.#flights.tokenized(flights, work)
      this.#admit(flights, encoded)
    }
    if (encodings instanceof Promise) void this.#admitLater(flights, encodings.then(admit))
    else admit(encodings)
  }

  async #admitLater(flights: readonly Flight<Ids>[], admitted: Promise<void>): Promise<void> {
    this.#encoding += flights.length
    try {
      await admitted
    } catch (error) {
      await this.#encodeOneByOne(flights, error)
    }
    this.#encoding -= flights.length
    this.#schedule()
  }

  async #encodeOneByOne(flights: readonly Flight<Ids>[], refusal: unknown): Promise<void> {
    for (const flight of flights) {
      try {
        if (flights.length === 1) throw refusal
        this.#admit([flight], await this.#options.encode([flight.text]))
      } catch (error) {
        await this.#condemn(flight, error, this.#encodeHarmless())
      }
    }
  }

  #admit(flights: readonly Flight<Ids>[], encodings: readonly Encoded<Ids>[]): void {
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
      const usable = this.#slots.filter(({ device }) => takesBatches(device))
      const idle = usable.filter((slot) => slot.running === 0)
      const [slot] = usable
        .filter(({ running }) => running < this.#maxBatchesPerDevice)
        .toSorted((a, b) => a.running - b.running)
      if (!slot) return
      const batch = idle.length > 0 ? this.#former.takeForIdle(idle.length) : this.#former.takeForBusy()
      if (!batch) return
      void this.#run(slot, batch)
    }
  }

  async #run(slot: Slot<Ids>, { items, ...closed }: Batch<Flight<Ids>>): Promise<void> {
    slot.running++
    try {
      await this.#runOn(slot.device, items, closed)
    } catch (error) {
      await this.#runInParts(slot.device, items, error)
    }
    slot.running--
    this.#schedule()
  }

  async #runOn(device: Device<Ids>, batch: readonly Flight<Ids>[], closed: Closed): Promise<void> {
    const vectors = await this.#timed(batch, closed, () =>
      device.run(batch.flatMap(({ ids }) => (ids === undefined ? [] : [ids]))),
    )
    this.#count(batch)
    const left = this.#deliver(batch, vectors)
    if (left.length === 0) return
    const refusal = unusable()
    const harmless = this.#runHarmless(device)
    await Promise.all(left.map((flight) => this.#condemn(flight, refusal, harmless)))
  }

  /** Tells of a run whose texts have all their askers still. */
  async #timed(batch: readonly Flight<Ids>[], closed: Closed, run: () => Promise<Float32Array>): Promise<Float32Array> {
    const { clock } = this.#options
    const startedAt = clock.now()
    const counts = { texts: batch.length, tokens: tokensOf(batch) }
    const ran = (failure: object = {}) =>
      this.#flights.ran(batch, { startedAt, endedAt: clock.now(), counts, ...closed, ...failure })
    try {
      const vectors = await run()
      ran()
      return vectors
    } catch (error) {
      ran({ error })
      throw error
    }
  }

  #count(batch: readonly Flight<Ids>[]): void {
    const longest = batch.reduce((most, flight) => Math.max(most, flight.tokens), 0)
    this.#counted.batches++
    this.#counted.tokens += tokensOf(batch)
    this.#counted.paddedTokens += longest * batch.length
  }

  /** Gives the texts that are left without a vector. */
  #deliver(batch: readonly Flight<Ids>[], vectors: Float32Array): readonly Flight<Ids>[] {
    const { dimensions } = this.#options
    return batch.filter((flight, row) => {
      // A copy: a view would hand the whole batch to whoever looks at `vector.buffer`.
      const vector = vectors.slice(row * dimensions, (row + 1) * dimensions)
      if (!Number.isFinite(vector[0])) return true
      this.#flights.land(flight, vector)
      return false
    })
  }

  /** Finds the texts of a refused batch that the device cannot bear; the others get their vectors. */
  async #runInParts(device: Device<Ids>, batch: readonly Flight<Ids>[], refusal: unknown): Promise<void> {
    const [only] = batch
    if (!device.isUsable) return this.#giveBack(batch, refusal)
    if (only && batch.length === 1) return this.#condemn(only, refusal, this.#runHarmless(device))
    const size = Math.ceil(batch.length / (this.#options.refusedParts ?? batch.length))
    let latest = refusal
    for (let at = 0; at < batch.length; at += size) {
      const part = batch.slice(at, at + size).filter((flight) => this.#flights.isWanted(flight))
      if (part.length > 0) latest = (await this.#runPart(device, part, latest)) ?? latest
    }
  }

  /** Gives what the device says against the part. */
  async #runPart(device: Device<Ids>, part: readonly Flight<Ids>[], before: unknown): Promise<unknown> {
    try {
      if (!device.isUsable) throw before
      await this.#runOn(device, part, { reason: 'refused' })
      return undefined
    } catch (error) {
      await this.#runInParts(device, part, error)
      return error
    }
  }

  async #encodeHarmless(): Promise<readonly Ids[]> {
    const encodings = await this.#options.encode([harmlessText])
    return encodings.map(({ ids }) => ids)
  }

  async #runHarmless(device: Device<Ids>): Promise<void> {
    const [first] = await device.run(await this.#encodeHarmless())
    if (!Number.isFinite(first)) throw unusable()
  }

  /** Fails who wants a text that was refused alone: with EMBED_TEXT when something harmless is not refused. */
  async #condemn(flight: Flight<Ids>, refusal: unknown, harmless: Promise<unknown>): Promise<void> {
    const isInOrder = await harmless.then(
      () => true,
      () => false,
    )
    const { ids, text } = flight
    const what = ids === undefined || typeof ids === 'string' ? `${text.length} characters` : `${ids.length} tokens`
    const fact = `a text of ${what} cannot be embedded: ${factOf(refusal)}`
    this.#flights.fail([flight], isInOrder ? new StreamError('EMBED_TEXT', fact, { cause: refusal }) : refusal)
  }

  /** The batch of a device that was given up goes to another one. */
  #giveBack(batch: readonly Flight<Ids>[], error: unknown): void {
    if (this.#hasUsableDevice) {
      for (const flight of batch) this.#enqueue(flight)
      return
    }
    this.#flights.fail(batch, error)
    this.#flights.failAll(error)
  }

  #enqueue(flight: Flight<Ids>): void {
    if (this.#flights.isWanted(flight)) this.#former.add(flight)
  }
}

function tokensOf(batch: readonly { readonly tokens: number }[]): number {
  return batch.reduce((sum, { tokens }) => sum + tokens, 0)
}

function takesBatches({ isUsable, isOverloaded }: Pick<Device, 'isUsable' | 'isOverloaded'>): boolean {
  return isUsable && isOverloaded !== true
}

function unusable(): StreamError {
  return new StreamError('EMBED_FAILED', 'the model gives no usable vector: not finite, or zeros alone')
}

function closed(): StreamError {
  return new StreamError('EMBED_FAILED', 'the embedder was closed', {
    fix: 'Close the embedder after those who use it.',
  })
}
