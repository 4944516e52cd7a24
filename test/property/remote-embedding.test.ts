import fc from 'fast-check'
import { expect, test } from 'vitest'
import { delay } from '../../src/clock.ts'
import type { Embedder } from '../../src/embed/embedder.ts'
import { tei } from '../../src/embed/remote/tei.ts'
import { isStreamError } from '../../src/errors.ts'
import {
  type FakeEmbeddingServer,
  fakeModel,
  startTei,
  teiOverloaded,
  vectorOf,
} from '../support/embedding-servers/index.ts'
import type { Fault } from '../support/embedding-servers/server.ts'
import { FastClock } from '../support/fast-clock.ts'

const never = new AbortController().signal
const ours = fakeModel()
const theirs = fakeModel({ seed: 'theirs' })

/** No text is ever to blame for these. */
const faults: readonly Fault[] = [
  { kind: 'reset' },
  { kind: 'half' },
  teiOverloaded,
  { kind: 'answer', status: 502, text: '<html>Bad Gateway</html>' },
  { kind: 'answer', status: 200, text: '<html>Please sign in</html>' },
]

/** What happens to one of the servers before the next texts come. */
type Event =
  | { readonly kind: 'faults'; readonly server: number; readonly faults: readonly Fault[] }
  | { readonly kind: 'swap' | 'stop'; readonly server: number }
  | { readonly kind: 'heal' }

const anyServer = fc.nat({ max: 2 })
const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.record({
    kind: fc.constant('faults' as const),
    server: anyServer,
    faults: fc.array(fc.constantFrom(...faults), { maxLength: 12 }),
  }),
  fc.record({ kind: fc.constantFrom('swap' as const, 'stop' as const), server: anyServer }),
  fc.constant({ kind: 'heal' as const }),
)

class World {
  readonly servers: readonly FakeEmbeddingServer[]
  readonly clock = new FastClock(200)
  readonly #stopped = new Set<FakeEmbeddingServer>()
  #last: Promise<void> = Promise.resolve()

  constructor(servers: readonly FakeEmbeddingServer[]) {
    this.servers = servers
  }

  /** One thing after the other. */
  happen(event: Event): Promise<void> {
    this.#last = this.#last.then(() => (event.kind === 'heal' ? this.#heal() : this.#hurt(event)))
    return this.#last
  }

  async #hurt(event: Exclude<Event, { kind: 'heal' }>): Promise<void> {
    const server = this.servers[event.server]
    if (!server || this.#stopped.has(server)) return
    if (event.kind === 'faults') server.fail(...event.faults)
    if (event.kind === 'swap') server.model = server.model === ours ? theirs : ours
    if (event.kind === 'stop') {
      this.#stopped.add(server)
      await server.stop()
    }
  }

  async #heal(): Promise<void> {
    for (const server of this.servers) server.model = ours
    for (const server of this.#stopped) await server.start()
    this.#stopped.clear()
  }

  async end(): Promise<void> {
    await this.#last
    await Promise.all(this.servers.filter((server) => !this.#stopped.has(server)).map((server) => server.stop()))
  }
}

/** As a task does it: what passes is tried again, here until everything has been put right. */
async function persist(embedder: Embedder, texts: readonly string[], world: World): Promise<readonly Float32Array[]> {
  for (let attempt = 0; ; attempt++) {
    if (attempt === 3) await world.happen({ kind: 'heal' })
    try {
      return await embedder.embed(texts, never)
    } catch (error) {
      if (!isStreamError(error) || error.code !== 'EMBED_FAILED' || attempt > 500) throw error
      await delay(world.clock, 1_000)
    }
  }
}

const rounded = (vector: ArrayLike<number>) => Array.from(vector, (value) => value.toFixed(4))

test('whatever servers do, a text gets the vector of the model that was opened, or its callers ask again', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.array(anyEvent, { maxLength: 4 }), { minLength: 1, maxLength: 5 }), async (rounds) => {
      const world = new World(await Promise.all([startTei(), startTei(), startTei()]))
      const urls = world.servers.map(({ url }) => url)
      const embedder = tei({ urls, clock: world.clock, requestTimeoutMs: 300_000, maxBatchTexts: 5 })
      await embedder.open()
      try {
        for (const [round, events] of rounds.entries()) {
          const texts = Array.from({ length: 30 }, (_, at) => `round ${round}, text ${at}`)
          const embedding = Promise.all([
            persist(embedder, texts.slice(0, 12), world),
            persist(embedder, texts.slice(10), world),
          ])
          for (const event of events) await world.happen(event)

          const [first, second] = await embedding

          expect([...first, ...second].map(rounded)).toEqual(
            [...texts.slice(0, 12), ...texts.slice(10)].map((text) => rounded(vectorOf(ours, text))),
          )
        }
      } finally {
        await embedder.close()
        await world.end()
      }
    }),
    { numRuns: 20 },
  )
})
