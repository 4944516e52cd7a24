import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { string } from '../../src/serde.ts'
import { openLevelStore } from '../../src/state/level-store.ts'
import type { KeyRange, KeyValueStore, StoreSpec } from '../../src/state/store.ts'
import { TaskState } from '../../src/state/task-state.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const storeNames = ['small', 'smaller']
const stores = storeNames.map((name) => ({ kind: 'key-value', name, key: string, value: string })) as StoreSpec[]

const store = fc.constantFrom(...storeNames)
const key = fc.string({ unit: fc.constantFrom('a', 'é'), maxLength: 2 })
/** Counts back from the open generation: a record beyond the gate writes into an older one. */
const back = fc.nat(2)
const range = fc.record({ from: key, to: key, reverse: fc.boolean(), limit: fc.nat(4) }, { requiredKeys: [] })

type Move = (played: PlayedState) => void | Promise<void>

/** A counterexample shows the text instead of the function. */
const named = (text: string, move: Move): Move => Object.assign(move, { [fc.toStringMethod]: () => text })

const put = fc
  .tuple(store, key, fc.string(), back)
  .map(([...write]) => named(`put ${write}`, (played) => played.write(...write)))
const del = fc
  .tuple(store, key, back)
  .map(([name, key, back]) => named(`delete ${name},${key},${back}`, (played) => played.write(name, key, null, back)))
const get = fc.tuple(store, key).map(([...read]) => named(`get ${read}`, (played) => played.get(...read)))
const scan = fc
  .tuple(store, range)
  .map(([name, range]) => named(`range ${name},${JSON.stringify(range)}`, (played) => played.range(name, range)))
const prefix = fc.tuple(store, key).map(([...read]) => named(`prefix ${read}`, (played) => played.prefix(...read)))
const cut = fc.constant(named('cut', (played) => played.cut()))
const persist = fc.constant(named('persist', (played) => played.persist()))
const reopen = fc.constant(named('reopen', (played) => played.reopen()))

const move = fc.oneof(
  { weight: 8, arbitrary: put },
  { weight: 4, arbitrary: del },
  { weight: 4, arbitrary: get },
  { weight: 2, arbitrary: scan },
  { weight: 1, arbitrary: prefix },
  { weight: 2, arbitrary: cut },
  { weight: 2, arbitrary: persist },
  { weight: 1, arbitrary: reopen },
)

type Entries = Map<string, string>
type Writes = Map<string, string | null>

/** One state on LevelDB beside the same thing as plain maps: what is durable, and the writes of each open generation, oldest first. */
class PlayedState {
  readonly #directory: string
  #state: TaskState
  #durable: Entries = new Map()
  #open = new Map<number, Writes>([[1, new Map()]])
  #persisted = 0

  private constructor(directory: string, state: TaskState) {
    this.#directory = directory
    this.#state = state
  }

  static async start(directory: string): Promise<PlayedState> {
    return new PlayedState(directory, await openState(directory))
  }

  write(store: string, key: string, value: string | null, back: number): void {
    const ids = [...this.#open.keys()]
    const generation = ids.at(-1 - Math.min(back, ids.length - 1)) ?? 0
    const view = this.#view(store, generation)
    if (value === null) view.delete(key)
    else view.put(key, value)
    this.#open.get(generation)?.set(`${store}/${key}`, value)
  }

  get(store: string, key: string): void {
    expect(this.#view(store).get(key)).toBe(new Map(this.#visible(store)).get(key))
  }

  async range(store: string, range: KeyRange<string>): Promise<void> {
    const { from, to, reverse = false, limit } = range
    const within = this.#visible(store).filter(
      ([key]) => (from === undefined || compare(key, from) >= 0) && (to === undefined || compare(key, to) <= 0),
    )
    const expected = (reverse ? within.reverse() : within).slice(0, limit)

    expect(await Array.fromAsync(this.#view(store).range(range))).toEqual(expected)
  }

  async prefix(store: string, prefix: string): Promise<void> {
    const expected = this.#visible(store).filter(([key]) => key.startsWith(prefix))

    expect(await Array.fromAsync(this.#view(store).prefix(prefix))).toEqual(expected)
  }

  cut(): void {
    this.#open.set(Math.max(...this.#open.keys()) + 1, new Map())
  }

  /** The oldest generation commits, unless it is the only one. */
  async persist(): Promise<void> {
    const [oldest] = this.#open
    if (!oldest || this.#open.size === 1) return
    const [generation, writes] = oldest
    const changes = this.#state
      .changes(generation)
      .map(({ store, key, value }): [string, string | null] => [
        `${store}/${string.deserialize(key)}`,
        value && string.deserialize(value),
      ])
    expect(new Map(changes)).toEqual(writes)

    await this.#state.persist(generation, {
      positions: new Map(storeNames.map((name) => [name, generation])),
      sourceOffsets: Buffer.from(String(generation)),
    })
    this.#durable = applied(this.#durable, writes)
    this.#open.delete(generation)
    this.#persisted = generation
  }

  /** Only persisted generations survive. */
  async reopen(): Promise<void> {
    await this.close()
    this.#state = await openState(this.#directory)
    this.#open = new Map([[this.#persisted + 1, new Map()]])
    expect(this.#state.position('small') ?? 0).toBe(this.#persisted)
    expect(String(this.#state.sourceOffsets ?? '0')).toBe(String(this.#persisted))
  }

  async close(): Promise<void> {
    await this.#state.close()
  }

  #view(store: string, generation = 0): KeyValueStore<string, string> {
    return this.#state.view(store, () => generation) as KeyValueStore<string, string>
  }

  #visible(store: string): [key: string, value: string][] {
    const all = [...this.#open.values()].reduce(applied, this.#durable)
    return [...all]
      .filter(([key]) => key.startsWith(`${store}/`))
      .map(([key, value]): [string, string] => [key.slice(store.length + 1), value])
      .sort(([a], [b]) => compare(a, b))
  }
}

function applied(below: Entries, writes: Writes): Entries {
  const result = new Map(below)
  for (const [key, value] of writes) {
    if (value === null) result.delete(key)
    else result.set(key, value)
  }
  return result
}

function compare(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

function openState(directory: string): Promise<TaskState> {
  // So small a cache that entries come and go.
  return TaskState.open({ stores, openDisk: () => openLevelStore(directory), maxCacheBytes: 1500 })
}

describe('the state of a task', () => {
  test('equals plain maps for any writes, reads, commits and restarts', async () => {
    const property = fc.asyncProperty(fc.array(move, { maxLength: 80, size: 'max' }), async (moves) => {
      await using folder = await temporaryDirectory()
      const played = await PlayedState.start(folder.path)
      try {
        for (const move of moves) await move(played)
        for (const name of storeNames) await played.range(name, {})
      } finally {
        await played.close()
      }
    })

    await fc.assert(property, { numRuns: 200 })
  })
})
