/** What goes wrong, and when: computed from the seed before anything is started. */
import type { Fault } from '../test/support/qdrant-double.ts'
import { Random } from './random.ts'

/** Milliseconds since the stream began. */
interface Timed {
  readonly at: number
}

export type InstanceEvent = Timed &
  (
    | { readonly kind: 'kill' | 'terminate'; readonly instance: string; readonly downMs: number }
    | { readonly kind: 'freeze'; readonly instance: string; readonly forMs: number }
    | { readonly kind: 'add' | 'remove'; readonly instance: string }
  )

export interface BrokerEvent extends Timed {
  readonly kind: 'broker'
  readonly how: 'kill' | 'stop'
  readonly downMs: number
}

export type IndexEvent = Timed &
  (
    | { readonly kind: 'index'; readonly fault: Fault; readonly times: number; readonly on: 'writes' | 'all' }
    | { readonly kind: 'index-down'; readonly forMs: number }
  )

export type ChaosEvent = InstanceEvent | BrokerEvent | IndexEvent

export interface ScheduleOptions {
  readonly seed: number
  readonly durationMs: number
  /** Instances that are there from the beginning, and those that may be added. */
  readonly initial: readonly string[]
  readonly spare: readonly string[]
  readonly sessionTimeoutMs: number
  /** A request to the index is given up after it, so no fault of the index delays one for longer before it is applied. */
  readonly indexTimeoutMs: number
}

/** The mixture, dealt like a deck of cards: every kind comes up before any comes up again. */
const deck = ['kill', 'kill', 'kill', 'freeze', 'freeze', 'terminate', 'add', 'remove', 'broker'] as const
type Card = (typeof deck)[number]

/** At first nothing goes wrong: there has to be something to lose. */
const quietMs = 2_000
/** What an instance needs, at a guess, to be at work again. */
const bootMs = 4_000

/** The same options give the same events, in the order of their times. */
export function scheduleOf(options: ScheduleOptions): ChaosEvent[] {
  const random = new Random(options.seed)
  return [...fleetEvents(options, random), ...indexEvents(options, random)].sort((a, b) => a.at - b.at)
}

function fleetEvents(options: ScheduleOptions, random: Random): ChaosEvent[] {
  const dealer = new Dealer(options, random)
  const events: ChaosEvent[] = []
  let cards: Card[] = []
  for (let at = quietMs; at < options.durationMs; at += random.between(1_000, 4_500)) {
    if (cards.length === 0) cards = random.shuffled(deck)
    // A card that cannot be played now waits for its turn.
    for (const [place, card] of cards.entries()) {
      const event = dealer.play(card, at)
      if (!event) continue
      events.push(event)
      cards.splice(place, 1)
      break
    }
  }
  return events
}

/** Knows which instances are there and not yet busy with an earlier event. */
class Dealer {
  readonly #options: ScheduleOptions
  readonly #random: Random
  readonly #present: Set<string>
  readonly #busyUntil = new Map<string, number>()
  #brokerBusyUntil = 0

  constructor(options: ScheduleOptions, random: Random) {
    this.#options = options
    this.#random = random
    this.#present = new Set(options.initial)
  }

  play(card: Card, at: number): ChaosEvent | undefined {
    if (card === 'broker') return this.#broker(at)
    if (card === 'add') return this.#add(at)
    const instance = this.#random.pick([...this.#present].filter((name) => (this.#busyUntil.get(name) ?? 0) <= at))
    if (instance === undefined) return undefined
    if (card === 'remove') return this.#remove(instance, at)
    return card === 'freeze' ? this.#freeze(instance, at) : this.#end(card, instance, at)
  }

  #broker(at: number): ChaosEvent | undefined {
    if (at < this.#brokerBusyUntil) return undefined
    const downMs = this.#random.between(200, 3_000)
    this.#brokerBusyUntil = at + downMs + 15_000
    return { at, kind: 'broker', how: this.#random.next() < 0.7 ? 'kill' : 'stop', downMs }
  }

  #add(at: number): ChaosEvent | undefined {
    const { initial, spare } = this.#options
    const absent = [...initial, ...spare].filter(
      (name) => !this.#present.has(name) && (this.#busyUntil.get(name) ?? 0) <= at,
    )
    const instance = this.#random.pick(absent)
    if (instance === undefined) return undefined
    this.#present.add(instance)
    this.#busyUntil.set(instance, at + bootMs)
    return { at, kind: 'add', instance }
  }

  #remove(instance: string, at: number): ChaosEvent | undefined {
    if (this.#present.size <= 2) return undefined
    this.#present.delete(instance)
    this.#busyUntil.set(instance, at + bootMs)
    return { at, kind: 'remove', instance }
  }

  /** Longer than the session, so that the group goes on without it. */
  #freeze(instance: string, at: number): ChaosEvent {
    const { sessionTimeoutMs } = this.#options
    const forMs = this.#random.between(Math.round(1.2 * sessionTimeoutMs), 2 * sessionTimeoutMs)
    this.#busyUntil.set(instance, at + forMs + 1_000)
    return { at, kind: 'freeze', instance, forMs }
  }

  #end(kind: 'kill' | 'terminate', instance: string, at: number): ChaosEvent {
    const downMs = this.#random.between(0, 3_000)
    // Some are hit again before they are at work.
    this.#busyUntil.set(instance, at + downMs + (this.#random.next() < 0.2 ? 500 : bootMs))
    return { at, kind, instance, downMs }
  }
}

function indexEvents(options: ScheduleOptions, random: Random): ChaosEvent[] {
  const events: ChaosEvent[] = []
  for (let at = quietMs; at < options.durationMs; at += random.between(100, 1_500)) {
    events.push(indexEvent(at, options, random))
  }
  return events
}

function indexEvent(at: number, { indexTimeoutMs }: ScheduleOptions, random: Random): ChaosEvent {
  const times = random.between(1, 4)
  const kind = random.between(0, 19)
  if (kind === 0) return { at, kind: 'index-down', forMs: random.between(500, 4_000) }
  if (kind < 4) return { at, kind: 'index', fault: refusal(random), times, on: 'all' }
  if (kind < 7) return { at, kind: 'index', fault: { kind: 'status', status: 500 }, times, on: 'all' }
  if (kind < 9) return { at, kind: 'index', fault: { kind: 'reset', when: 'before' }, times, on: 'all' }
  if (kind < 12) return { at, kind: 'index', fault: { kind: 'reset', when: 'after' }, times, on: 'writes' }
  const operations = random.between(0, 1)
  if (kind < 15) return { at, kind: 'index', fault: { kind: 'partial', operations }, times, on: 'writes' }
  // Applied late is legal up to the timeout of the client: beyond it no lease could know when a request has landed.
  const late = { kind: 'delay', when: 'before', ms: random.between(20, Math.round(indexTimeoutMs / 2)) } as const
  if (kind < 18) return { at, kind: 'index', fault: late, times, on: 'writes' }
  const slow = { kind: 'delay', when: 'after', ms: random.between(20, Math.round(1.2 * indexTimeoutMs)) } as const
  return { at, kind: 'index', fault: slow, times, on: 'all' }
}

function refusal(random: Random): Fault {
  const headers = { 'retry-after': `${random.between(0, 1)}` }
  return random.next() < 0.5 ? { kind: 'status', status: 429, headers } : { kind: 'status', status: 429 }
}

/** One line for people. */
export function sentenceOf(event: ChaosEvent): string {
  switch (event.kind) {
    case 'kill':
      return `kill -9 ${event.instance}, away for ${event.downMs} ms`
    case 'terminate':
      return `kill -TERM ${event.instance}, away for ${event.downMs} ms`
    case 'freeze':
      return `freeze ${event.instance} for ${event.forMs} ms`
    case 'add':
      return `add ${event.instance}`
    case 'remove':
      return `remove ${event.instance} (TERM)`
    case 'broker':
      return `${event.how} the broker, away for ${event.downMs} ms`
    case 'index-down':
      return `the index answers 503 for ${event.forMs} ms`
    case 'index':
      return `index: ${JSON.stringify(event.fault)} to ${event.times} of the next ${event.on === 'all' ? 'requests' : 'writes'}`
  }
}
