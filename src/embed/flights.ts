import type { SharedWork } from '../topology/processor.ts'
import { type EmbedOptions, type InputType, inputTypeOf } from './embedder.ts'
import { namingText } from './naming-text.ts'

/** A text on its way to a vector, with everybody who wants it. Runs once, however many they are. */
export class Flight<Ids extends Sized = Int32Array> {
  readonly text: string
  readonly askers: Asker<Ids>[] = []
  /** What a device is given; undefined until the text is tokenized. */
  ids: Ids | undefined
  /** The text had more tokens than `ids`. */
  truncated = false

  constructor(text: string) {
    this.text = text
  }

  /** It is a question of somebody, who waits for its answer. */
  get isUrgent(): boolean {
    return this.askers.some(({ call }) => call.inputType === 'query')
  }

  get tokens(): number {
    return this.ids?.length ?? 0
  }
}

/** What a text is to a device: the ids of its tokens, or the text itself. */
export interface Sized {
  readonly length: number
}

interface Asker<Ids extends Sized> {
  readonly call: Call<Ids>
  /** Place of the text in the call. */
  readonly at: number
}

interface Call<Ids extends Sized> {
  readonly texts: readonly string[]
  readonly vectors: Float32Array[]
  readonly askedAt: number
  /** The first text that has not been taken up. */
  next: number
  missing: number
  readonly flights: Set<Flight<Ids>>
  readonly inputType: InputType
  readonly options: CallOptions
  settle(error?: unknown): void
}

/** What a caller wants to be told. */
type CallOptions = Pick<EmbedOptions, 'onTruncated' | 'onBatch' | 'onTokenized'>

/** A text that was taken up; `fresh` when nobody had asked for it before. */
export interface TakenText<Ids extends Sized> {
  readonly text: string
  readonly fresh: Flight<Ids> | undefined
}

/**
 * Who waits for what. Calls are taken up text by text, in the order in which they came, and questions before passages, as long as that is no
 * more than every second text; a text that is already on its way gets one more asker instead of a second flight.
 */
export class Flights<Ids extends Sized = Int32Array> {
  /** Calls with texts that were not taken up. */
  readonly #queues: Readonly<Record<InputType, Call<Ids>[]>> = { passage: [], query: [] }
  #lastTaken: InputType = 'passage'
  readonly #calls = new Set<Call<Ids>>()
  readonly #byText = new Map<string, Flight<Ids>>()
  readonly #takeBack: (flight: Flight<Ids>) => boolean

  /** `takeBack` is asked when nobody wants a flight any more; it returns false when the flight cannot be stopped. */
  constructor(takeBack: (flight: Flight<Ids>) => boolean) {
    this.#takeBack = takeBack
  }

  /** Somebody waits for a text. */
  get hasCalls(): boolean {
    return this.#calls.size > 0
  }

  /** When the call was made that has waited longest, as `ask` was told; undefined when none waits. */
  get oldestAskedAt(): number | undefined {
    // A set keeps the order in which it was filled.
    const [oldest] = this.#calls
    return oldest?.askedAt
  }

  /** Texts whose callers have no vectors for them yet. */
  get waitingTexts(): number {
    let waiting = 0
    for (const { missing } of this.#calls) waiting += missing
    return waiting
  }

  /** Rejects with the error of the first text that fails, or with the signal's reason. `options.askedAt` is now. */
  ask(
    texts: readonly string[],
    signal: AbortSignal,
    { askedAt, ...options }: EmbedOptions & { readonly askedAt: number },
  ): Promise<Float32Array[]> {
    const inputType = inputTypeOf(options)
    return new Promise((resolve, reject) => {
      const onAbort = () => this.#fail(call, signal.reason)
      const call: Call<Ids> = {
        texts,
        vectors: new Array<Float32Array>(texts.length),
        askedAt,
        inputType,
        next: 0,
        missing: texts.length,
        flights: new Set(),
        options,
        settle: (error) => {
          signal.removeEventListener('abort', onAbort)
          this.#calls.delete(call)
          if (error === undefined) resolve(call.vectors)
          else reject(error)
        },
      }
      signal.addEventListener('abort', onAbort, { once: true })
      this.#calls.add(call)
      this.#queues[inputType].push(call)
    })
  }

  take(): TakenText<Ids> | undefined {
    const queue = this.#nextQueue()
    const [call] = queue
    if (!call) return undefined
    const at = call.next++
    if (call.next === call.texts.length) queue.shift()
    this.#lastTaken = call.inputType
    const text = call.texts[at] ?? ''
    const known = this.#byText.get(text)
    const flight = known ?? new Flight<Ids>(text)
    flight.askers.push({ call, at })
    call.flights.add(flight)
    this.#byText.set(text, flight)
    return { text, fresh: known ? undefined : flight }
  }

  #nextQueue(): Call<Ids>[] {
    const { passage, query } = this.#queues
    if (query.length === 0) return passage
    return this.#lastTaken === 'query' && passage.length > 0 ? passage : query
  }

  /** False, and the end of the flight, when its askers have gone. */
  isWanted(flight: Flight<Ids>): boolean {
    if (flight.askers.length > 0) return true
    this.#byText.delete(flight.text)
    return false
  }

  land(flight: Flight<Ids>, vector: Float32Array): void {
    this.#byText.delete(flight.text)
    for (const { call, at } of flight.askers.splice(0)) {
      call.vectors[at] = vector
      call.flights.delete(flight)
      if (flight.truncated) this.#tell(call, ({ onTruncated }) => onTruncated?.(at))
      if (--call.missing === 0) call.settle()
    }
  }

  /** Tells that texts were tokenized together, once everybody who has asked for one of them. */
  tokenized(flights: readonly Flight<Ids>[], work: SharedWork): void {
    for (const call of callsOf(flights)) this.#tell(call, ({ onTokenized }) => onTokenized?.(work))
  }

  /** Tells of a batch, once everybody who has a text in it. */
  ran(flights: readonly Flight<Ids>[], batch: SharedWork): void {
    for (const call of callsOf(flights)) this.#tell(call, ({ onBatch }) => onBatch?.(batch))
  }

  /** Ends the calls that want one of these texts. What is the fault of a text says to each call which one of its texts that is. */
  fail(flights: readonly Flight<Ids>[], error: unknown): void {
    for (const flight of flights) {
      this.#byText.delete(flight.text)
      for (const { call, at } of [...flight.askers])
        if (this.#calls.has(call)) this.#fail(call, namingText(error, at, call.texts.length))
    }
  }

  failAll(error: unknown): void {
    for (const call of [...this.#calls]) this.#fail(call, error)
  }

  /** What a caller's function throws is for that caller alone. */
  #tell(call: Call<Ids>, what: (options: CallOptions) => void): void {
    try {
      what(call.options)
    } catch (error) {
      this.#fail(call, error)
    }
  }

  /** Ends a call, and takes back the texts that nobody else wants. What is running runs on. */
  #fail(call: Call<Ids>, error: unknown): void {
    const queue = this.#queues[call.inputType]
    const queued = queue.indexOf(call)
    if (queued !== -1) queue.splice(queued, 1)
    for (const flight of call.flights) {
      const others = flight.askers.filter((asker) => asker.call !== call)
      flight.askers.splice(0, flight.askers.length, ...others)
      if (others.length === 0 && this.#takeBack(flight)) this.#byText.delete(flight.text)
    }
    call.settle(error)
  }
}

function callsOf<Ids extends Sized>(flights: readonly Flight<Ids>[]): ReadonlySet<Call<Ids>> {
  return new Set(flights.flatMap(({ askers }) => askers.map(({ call }) => call)))
}
