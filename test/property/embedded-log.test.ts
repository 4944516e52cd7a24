import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../src/clock.ts'
import { Host } from '../../src/connectors/embedded/host.ts'
import { silentLogger } from '../../src/logger.ts'
import type { Producer, Transaction } from '../../src/runtime/broker.ts'
import { memoryStore } from '../../src/state/memory-store.ts'
import { contents, logRecord } from '../support/log-records.ts'

const partitions = [0, 1]
const topic = 'compacted'

/** What happens to the log. Keys are few, so that compaction finds something to do. */
type Step =
  | { readonly kind: 'send'; readonly targets: readonly Target[] }
  | { readonly kind: 'send in transaction'; readonly actor: number; readonly targets: readonly Target[] }
  | { readonly kind: 'commit' | 'abort' | 'fence'; readonly actor: number }
  | { readonly kind: 'compact' | 'crash' }

interface Target {
  readonly partition: number
  readonly key: string
  readonly deleted: boolean
}

const actors = fc.nat(2)
const targets = fc.array(
  fc.record({ partition: fc.constantFrom(...partitions), key: fc.constantFrom('a', 'b', 'c'), deleted: fc.boolean() }),
  { minLength: 1, maxLength: 3 },
)
const endings = fc.constantFrom<'commit' | 'abort' | 'fence'>('commit', 'commit', 'abort', 'fence')
const steps = fc.array(
  fc.oneof(
    { weight: 3, arbitrary: fc.record({ kind: fc.constant<'send'>('send'), targets }) },
    {
      weight: 4,
      arbitrary: fc.record({ kind: fc.constant<'send in transaction'>('send in transaction'), actor: actors, targets }),
    },
    { weight: 3, arbitrary: fc.record({ kind: endings, actor: actors }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom<'compact' | 'crash'>('compact', 'crash') }) },
  ),
  { maxLength: 40 },
)

interface ModelRecord {
  readonly offset: number
  readonly key: string
  readonly value: string | null
  /** The actor whose transaction it waits for. */
  openBy?: number | undefined
}

/** What the log has to show: a list a partition. */
class Model {
  records: ModelRecord[][] = partitions.map(() => [])

  add(partition: number, record: ModelRecord): void {
    this.records[partition]?.push(record)
  }

  end(actor: number, isCommitted: boolean): void {
    for (const list of this.records) {
      for (const record of list) if (record.openBy === actor && isCommitted) record.openBy = undefined
    }
    this.#keep((record) => record.openBy !== actor)
  }

  crash(): void {
    this.#keep((record) => record.openBy === undefined)
  }

  compact(): void {
    for (const partition of partitions) {
      const visible = this.visible(partition)
      const last = new Map(visible.map(({ key, offset }) => [key, offset]))
      const gone = new Set(visible.filter(({ key, offset }) => last.get(key) !== offset))
      this.records[partition] = (this.records[partition] ?? []).filter((record) => !gone.has(record))
    }
  }

  visible(partition: number): ModelRecord[] {
    const list = (this.records[partition] ?? []).toSorted((a, b) => a.offset - b.offset)
    const open = list.findIndex(({ openBy }) => openBy !== undefined)
    return open < 0 ? list : list.slice(0, open)
  }

  #keep(predicate: (record: ModelRecord) => boolean): void {
    this.records = this.records.map((list) => list.filter(predicate))
  }
}

/** The embedded log on a store that outlives crashes. */
class System {
  readonly #store = memoryStore()
  readonly #transactions = new Map<number, { producer: Producer; transaction?: Transaction | undefined }>()
  readonly #model = new Model()
  #host: Host | undefined
  #sent = 0

  async start(): Promise<void> {
    const store = { ...this.#store, close: async () => undefined }
    // Nothing of the host that crashed runs on: with this clock it has no timers.
    const options = { clock: new ManualClock(), logger: silentLogger, cleanIntervalMs: 1_000 }
    this.#host = await Host.open(store, options)
    await this.#host.log.createTopics([{ topic, partitions: partitions.length, cleanup: 'compact' }])
    this.#transactions.clear()
  }

  async apply(step: Step): Promise<void> {
    switch (step.kind) {
      case 'send':
        return this.#send(step.targets)
      case 'send in transaction':
        return this.#send(step.targets, step.actor)
      case 'compact':
        await this.#open.cleaner.compact(this.#open.log.catalog.partitionsOf(topic))
        return this.#model.compact()
      case 'crash':
        await this.start()
        return this.#model.crash()
      default:
        return this.#end(step.actor, step.kind)
    }
  }

  /** The log shows what the model shows. */
  async check(): Promise<void> {
    for (const place of this.#open.log.catalog.partitionsOf(topic)) {
      const shown: [number, string | null, string | null][] = []
      for (let position = 0; position < place.stable; ) {
        const batch = await this.#open.log.read(place, position, place.stable)
        shown.push(...contents(batch.records))
        position = batch.next
      }
      const wanted = this.#model.visible(place.index).map(({ offset, key, value }) => [offset, key, value])
      expect(shown).toEqual(wanted)
    }
  }

  async #send(list: readonly Target[], actor?: number): Promise<void> {
    const entries = list.map((entry) => ({ ...entry, value: entry.deleted ? null : `${this.#sent++}` }))
    const records = entries.map(({ partition, key, value }) => logRecord({ topic, partition }, key, value))
    const sender = actor === undefined ? this.#open.log.append(records) : (await this.#transaction(actor)).send(records)
    const offsets = await sender
    for (const [index, { partition, key, value }] of entries.entries()) {
      this.#model.add(partition, { offset: offsets[index] ?? -1, key, value, openBy: actor })
    }
  }

  async #transaction(actor: number): Promise<Transaction> {
    const own = this.#transactions.get(actor) ?? { producer: await this.#producer(actor) }
    own.transaction ??= await own.producer.begin()
    this.#transactions.set(actor, own)
    return own.transaction
  }

  async #end(actor: number, kind: 'commit' | 'abort' | 'fence'): Promise<void> {
    const own = this.#transactions.get(actor)
    if (kind === 'fence') {
      this.#transactions.set(actor, { producer: await this.#producer(actor) })
      if (own?.transaction) await expect(own.transaction.commit()).rejects.toMatchObject({ code: 'MEMBER_FENCED' })
    } else {
      await own?.transaction?.[kind]()
      if (own) own.transaction = undefined
    }
    this.#model.end(actor, kind === 'commit')
  }

  #producer(actor: number): Promise<Producer> {
    return this.#open.transactionalProducers.create(`actor ${actor}`)
  }

  get #open(): Host {
    if (this.#host) return this.#host
    throw new Error('not started')
  }
}

describe('the embedded log', () => {
  test('shows exactly what was committed, in order, whatever is aborted, fenced, compacted or lost in a crash', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (list) => {
        const system = new System()
        await system.start()

        for (const step of list) {
          await system.apply(step)
          await system.check()
        }
      }),
      { numRuns: 500 },
    )
  })
})
