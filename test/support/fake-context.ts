import { StreamError } from '../../src/errors.ts'
import type { RecordMetadata, StreamRecord } from '../../src/record.ts'
import { noHeaders } from '../../src/record.ts'
import type {
  KeyRange,
  KeyValueStore,
  KeyValueStoreSpec,
  StateStore,
  StoreOf,
  StoreSpec,
} from '../../src/state/store.ts'
import type { DropReason, HeldResult, ProcessorContext, TaskId } from '../../src/topology/processor.ts'

/** A store that keeps bytes, so that what a processor stores goes through its serdes. Text keys only. */
class FakeStore<V> implements KeyValueStore<string, V> {
  readonly name: string
  readonly #spec: KeyValueStoreSpec<string, V>
  readonly #entries = new Map<string, Uint8Array>()

  constructor(spec: KeyValueStoreSpec<string, V>) {
    this.name = spec.name
    this.#spec = spec
  }

  get(key: string): V | undefined {
    const bytes = this.#entries.get(key)
    return bytes && this.#spec.value.deserialize(bytes)
  }

  put(key: string, value: V): void {
    this.#entries.set(key, this.#spec.value.serialize(value))
  }

  delete(key: string): void {
    this.#entries.delete(key)
  }

  async *range(range: KeyRange<string> = {}): AsyncGenerator<readonly [string, V]> {
    const { from = '', to, limit = Number.POSITIVE_INFINITY, reverse = false } = range
    const keys = [...this.#entries.keys()].filter((key) => key >= from && (to === undefined || key <= to)).sort()
    for (const key of (reverse ? keys.reverse() : keys).slice(0, limit)) yield this.#entry(key)
  }

  async *prefix(prefix: string): AsyncGenerator<readonly [string, V]> {
    for (const key of [...this.#entries.keys()].sort()) if (key.startsWith(prefix)) yield this.#entry(key)
  }

  #entry(key: string): readonly [string, V] {
    return [key, this.#spec.value.deserialize(this.#entries.get(key) ?? new Uint8Array())]
  }
}

/** A context for one processor on its own: a test sets what it says, and reads what was forwarded. */
export class FakeContext<K, V> implements ProcessorContext<K, V> {
  readonly forwarded: StreamRecord<K, V>[] = []
  readonly dropped: DropReason[] = []
  readonly task: TaskId = '0_3'
  source: RecordMetadata | undefined = { topic: 'documents', partition: 3, offset: 7 }
  streamTime = -1
  wallClock = 0
  recovering = false
  maintainsIndex = true
  pipeline = '0123456789abcdef'
  readonly signal = new AbortController().signal
  settled: Promise<void> = Promise.resolve()
  readonly #stores: ReadonlyMap<string, StateStore>

  constructor(stores: readonly (StoreSpec | string)[] = []) {
    const specs = stores.filter((spec): spec is StoreSpec => typeof spec !== 'string')
    this.#stores = new Map(specs.map((spec) => [spec.name, new FakeStore(spec as KeyValueStoreSpec<string, unknown>)]))
  }

  forward(record: StreamRecord<K, V>): void {
    this.forwarded.push(record)
  }

  leftBehind(): readonly string[] {
    throw new StreamError('ILLEGAL_STATE', 'a fake context has no children')
  }

  /** Every record has its own generation here. */
  hold({ before, since }: HeldResult<K, V>): void {
    const record = since(before, this.recovering)
    if (record) this.forward(record)
  }

  store<Spec extends StoreSpec>(spec: Spec): StoreOf<Spec>
  store<S extends StateStore>(name: string): S
  store(named: StoreSpec | string): StateStore {
    const name = typeof named === 'string' ? named : named.name
    const store = this.#stores.get(name)
    if (!store) throw new StreamError('STORE_UNKNOWN', `no store "${name}"`)
    return store
  }

  schedule(): () => void {
    throw new StreamError('ILLEGAL_STATE', 'a fake context has no clock')
  }

  requestCommit(): void {}

  drop(reason: DropReason): void {
    this.dropped.push(reason)
  }

  /** Takes what was forwarded since the last call. */
  take(): StreamRecord<K, V>[] {
    return this.forwarded.splice(0)
  }
}

export function recordOf<K, V>(key: K, value: V | null, timestamp = 1_000): StreamRecord<K, V> {
  return { key, value, timestamp, headers: noHeaders }
}
