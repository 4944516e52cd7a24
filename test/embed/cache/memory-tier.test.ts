import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import type { CacheEntry } from '../../../src/embed/cache/entry.ts'
import { MemoryTier, memoryBytes } from '../../../src/embed/cache/memory-tier.ts'
import { entryOf } from './entries.ts'

const ttlMs = 100

/** What a MemoryTier promises, said in the plainest way: an array in the order of use. */
class Model {
  #entries: CacheEntry[] = []
  readonly #maxBytes: number
  readonly #isFresh: (entry: CacheEntry) => boolean

  constructor(maxBytes: number, isFresh: (entry: CacheEntry) => boolean) {
    this.#maxBytes = maxBytes
    this.#isFresh = isFresh
  }

  get bytes(): number {
    return this.#entries.reduce((sum, entry) => sum + memoryBytes(entry.vector.length), 0)
  }

  get keys(): readonly string[] {
    return this.#entries.filter(this.#isFresh).map((entry) => entry.key)
  }

  get(key: string): CacheEntry | undefined {
    const entry = this.#take(key)
    if (!entry || !this.#isFresh(entry)) return undefined
    this.#entries.push(entry)
    return entry
  }

  set(entry: CacheEntry): void {
    this.#take(entry.key)
    if (memoryBytes(entry.vector.length) > this.#maxBytes) return
    this.#entries.push(entry)
    while (this.bytes > this.#maxBytes) this.#entries.shift()
  }

  #take(key: string): CacheEntry | undefined {
    const found = this.#entries.find((entry) => entry.key === key)
    this.#entries = this.#entries.filter((entry) => entry !== found)
    return found
  }
}

const text = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f')
const command = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), text, dimensions: fc.constantFrom(1, 16, 64, 4096) }),
  fc.record({ kind: fc.constant('get' as const), text }),
  fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 60 }) }),
)

test('does what an array in the order of use does, and never exceeds its bytes', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4 * memoryBytes(64) }), fc.array(command), (maxBytes, commands) => {
      const clock = new ManualClock()
      const isFresh = (entry: CacheEntry) => clock.now() - entry.madeAt < ttlMs
      const tier = new MemoryTier({ maxBytes, isFresh })
      const model = new Model(maxBytes, isFresh)

      for (const step of commands) {
        if (step.kind === 'wait') clock.advance(step.ms)
        else if (step.kind === 'set') {
          const entry = entryOf(step.text, step.dimensions, clock.now())
          tier.set(entry)
          model.set(entry)
        } else {
          const { key } = entryOf(step.text, 1)
          expect(tier.peek(key) !== undefined).toBe(model.keys.includes(key))
          expect(tier.get(key)).toBe(model.get(key))
        }
        expect(tier.entries().map((entry) => entry.key)).toEqual(model.keys)
        expect(tier.bytes).toBe(model.bytes)
        expect(tier.bytes).toBeLessThanOrEqual(maxBytes)
      }
    }),
  )
})
