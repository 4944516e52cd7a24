import { type Clock, stopwatch } from '../../clock.ts'
import type { StateStore } from '../../state/store.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { RuntimeObserver } from '../observer.ts'

/** Gives a node one of its stores. */
export type StoreAccess = (name: string, generation: () => number) => StateStore

/** What answers step by step, while somebody asks for the next one. */
const walks: ReadonlySet<string> = new Set(['range', 'prefix', 'scan', 'scanPrefix', 'all', 'between'])

type Told = (op: string, durationMs: number) => void

interface Watcher {
  readonly id: TaskId
  readonly clock: Clock
  readonly observer: RuntimeObserver
}

/** Stores that tell the observer of their operations; as they are where it does not ask. */
export function watchedStores({ id, clock, observer }: Watcher, access: StoreAccess): StoreAccess {
  if (!observer.storeUsed) return access
  return (name, generation) =>
    timedStore(access(name, generation), clock, (op, durationMs) => observer.storeUsed?.(id, name, op, durationMs))
}

/**
 * The store, and how long each of its operations took, under the names of its methods. A walk is told of once, when it ends or is left, with
 * the time of its steps: what the walker does between them does not count.
 */
export function timedStore<S extends StateStore>(store: S, clock: Clock, told: Told): S {
  return new Proxy(store, {
    get(target, property) {
      const member: unknown = Reflect.get(target, property, target)
      if (typeof member !== 'function' || typeof property === 'symbol') return member
      const call = (parameters: readonly unknown[]): unknown => Reflect.apply(member, target, parameters)
      if (walks.has(property))
        return (...parameters: unknown[]) => walked(() => call(parameters), clock, property, told)
      return (...parameters: unknown[]) => {
        const elapsedMs = stopwatch(clock)
        try {
          return call(parameters)
        } finally {
          told(property, elapsedMs())
        }
      }
    },
  })
}

function walked(begin: () => unknown, clock: Clock, op: string, told: Told): unknown {
  const elapsedMs = stopwatch(clock)
  const items = begin() as Iterable<unknown> | AsyncIterable<unknown>
  const begunMs = elapsedMs()
  const end = (stepsMs: number) => told(op, begunMs + stepsMs)
  return Symbol.asyncIterator in items ? asyncSteps(items, clock, end) : steps(items, clock, end)
}

function* steps(items: Iterable<unknown>, clock: Clock, end: (stepsMs: number) => void) {
  const iterator = items[Symbol.iterator]()
  let stepsMs = 0
  try {
    for (;;) {
      const elapsedMs = stopwatch(clock)
      const step = iterator.next()
      stepsMs += elapsedMs()
      if (step.done) return
      yield step.value
    }
  } finally {
    iterator.return?.()
    end(stepsMs)
  }
}

async function* asyncSteps(items: AsyncIterable<unknown>, clock: Clock, end: (stepsMs: number) => void) {
  const iterator = items[Symbol.asyncIterator]()
  let stepsMs = 0
  try {
    for (;;) {
      const elapsedMs = stopwatch(clock)
      const step = await iterator.next()
      stepsMs += elapsedMs()
      if (step.done) return
      yield step.value
    }
  } finally {
    await iterator.return?.()
    end(stepsMs)
  }
}
