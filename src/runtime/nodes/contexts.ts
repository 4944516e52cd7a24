import type { Cancel } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { RecordMetadata, StreamRecord } from '../../record.ts'
import type { StateStore, StoreOf, StoreSpec } from '../../state/store.ts'
import type {
  DropReason,
  HeldResult,
  ProcessorContext,
  PunctuationTime,
  Punctuator,
  ScheduleOptions,
  SharedWork,
  TaskId,
} from '../../topology/processor.ts'
import { type CacheBudget, HeldResults, type SentResult } from './held-results.ts'
import type { InFlight } from './in-flight.ts'
import type { PunctuationRequest } from './punctuation.ts'
import type { RunningNode, RunningProcessor } from './running-nodes.ts'

type AnyRecord = StreamRecord<unknown, unknown>

/** What contexts need from their task. */
export interface TaskServices {
  readonly task: TaskId
  /** Aborts when the task closes. */
  readonly signal: AbortSignal
  streamTime(): number
  wallClock(): number
  /** The id of the generation that is open now. */
  openGeneration(): number
  store(name: string, generation: () => number): StateStore
  schedule(by: PunctuationTime, request: PunctuationRequest): Cancel
  requestCommit(): void
  drop(reason: DropReason): void
  /** Shared by all tasks of the instance. */
  readonly cacheBudget: CacheBudget
  /** A node has done something for several records at once. Absent where nobody wants to know. */
  readonly shared: ((node: string, work: SharedWork) => void) | undefined
  pipelineOf(node: string): string
  /** The task cannot go on. */
  fail(error: StreamError): void
}

/** Hands a record to a child; the two zones differ in what travels along. */
type Enter = (child: RunningNode, record: AnyRecord) => void

/** What both contexts of a node share. */
abstract class NodeContext implements ProcessorContext<unknown, unknown> {
  protected readonly services: TaskServices
  protected readonly running: RunningProcessor
  /** What the current call of `process` has forwarded, for the observer. */
  outputs: AnyRecord[] = []

  constructor(running: RunningProcessor, services: TaskServices) {
    this.running = running
    this.services = services
  }

  abstract readonly source: RecordMetadata | undefined
  abstract readonly recovering: boolean
  abstract readonly signal: AbortSignal
  abstract readonly settled: Promise<void>
  protected abstract readonly enter: Enter
  protected abstract generation(): number
  abstract hold(result: HeldResult<unknown, unknown>): void

  get task(): TaskId {
    return this.services.task
  }

  get streamTime(): number {
    return this.services.streamTime()
  }

  get wallClock(): number {
    return this.services.wallClock()
  }

  get maintainsIndex(): boolean {
    return this.running.node.maintainsIndex
  }

  leftBehind(to: string | undefined): readonly string[] {
    const children = this.running.children.flatMap((child) => (child.kind === 'processor' ? [child.node] : []))
    const reached = children.find(({ name }) => name === to)?.indexEnds
    return children.filter(({ indexEnds }) => [...indexEnds].some((end) => !reached?.has(end))).map(({ name }) => name)
  }

  get pipeline(): string {
    return this.services.pipelineOf(this.running.node.name)
  }

  forward(record: AnyRecord, to?: string): void {
    this.outputs.push(record)
    let found = false
    for (const child of this.running.children) {
      if (to !== undefined && child.node.name !== to) continue
      found = true
      this.enter(child, record)
    }
    if (to !== undefined && !found) {
      throw new StreamError('CONFIG_INVALID', `node "${this.running.node.name}" has no child named "${to}"`, {
        fix: 'Forward to a node that is attached behind it.',
      })
    }
  }

  store<Spec extends StoreSpec>(spec: Spec): StoreOf<Spec>
  store<S extends StateStore>(name: string): S
  store(store: StoreSpec | string): StateStore {
    return this.named(typeof store === 'string' ? store : store.name)
  }

  protected named(name: string): StateStore {
    const { stores, supplier } = this.running.node
    if (!stores.includes(name) && !supplier.globalTables?.includes(name)) {
      throw new StreamError('STORE_UNKNOWN', `node "${this.running.node.name}" is not connected to store "${name}"`)
    }
    return this.services.store(name, () => this.generation())
  }

  schedule(everyMs: number, by: PunctuationTime, punctuate: Punctuator, { startMs }: ScheduleOptions = {}): Cancel {
    const { running: node } = this
    if (!(everyMs > 0)) {
      throw new StreamError('CONFIG_INVALID', `node "${node.node.name}" wants to punctuate every ${everyMs} ms`, {
        fix: 'Give an interval above zero.',
      })
    }
    return this.services.schedule(by, { node, everyMs, punctuate, startMs })
  }

  requestCommit(): void {
    this.services.requestCommit()
  }

  drop(reason: DropReason): void {
    this.services.drop(reason)
  }
}

/** The context of a synchronous node: one per node, because one record is processed at a time. */
export class SynchronousContext extends NodeContext {
  readonly #stores = new Map<string, StateStore>()
  readonly #current: () => InFlight | undefined
  readonly #held: HeldResults
  protected readonly enter: Enter

  constructor(
    running: RunningProcessor,
    services: TaskServices,
    flow: { readonly current: () => InFlight | undefined; readonly enter: Enter },
  ) {
    super(running, services)
    this.#current = flow.current
    this.#held = new HeldResults(services.cacheBudget)
    this.enter = flow.enter
  }

  /**
   * In the recovery window an index may have what the store has lost with its generation. Held back, the update that was between would be missing,
   * and a step behind, told of a row that was never there, would leave it there.
   */
  hold(result: HeldResult<unknown, unknown>): void {
    const record = this.recovering && this.maintainsIndex ? result.since(result.before, true) : undefined
    if (record) this.forward(record)
    else this.#held.put(result, this)
  }

  /** What was held back and goes out next. */
  nextHeld(): SentResult | undefined {
    return this.#held.next()
  }

  /** What was held back never goes out. */
  dropHeld(): void {
    this.#held.clear()
  }

  get source(): RecordMetadata | undefined {
    return this.#current()?.source
  }

  get recovering(): boolean {
    return this.#current()?.recovering ?? false
  }

  get signal(): AbortSignal {
    return this.services.signal
  }

  get settled(): Promise<void> {
    throw new StreamError(
      'ILLEGAL_STATE',
      `node "${this.running.node.name}" stands before the gate: it waits for nothing`,
    )
  }

  protected override named(name: string): StateStore {
    const known = this.#stores.get(name)
    if (known) return known
    const store = super.named(name)
    this.#stores.set(name, store)
    return store
  }

  protected generation(): number {
    return this.#current()?.generation.id ?? this.services.openGeneration()
  }
}

/** Whose record it is, and how long it may go on. */
export interface RecordScope {
  readonly inFlight: InFlight
  readonly recovering: boolean
  readonly signal: AbortSignal
  readonly settled: Promise<void>
}

/** The context of one record at one node beyond the gate: results may come at any time, so nothing is shared. */
export class RecordContext extends NodeContext {
  readonly #scope: RecordScope
  protected readonly enter: Enter

  constructor(
    running: RunningProcessor,
    services: TaskServices,
    flow: { readonly scope: RecordScope; readonly enter: Enter },
  ) {
    super(running, services)
    this.#scope = flow.scope
    this.enter = flow.enter
  }

  hold(): void {
    throw new StreamError(
      'ILLEGAL_STATE',
      `node "${this.running.node.name}" stands beyond the gate, where results cannot wait for others`,
    )
  }

  get source(): RecordMetadata | undefined {
    return this.#scope.inFlight.source
  }

  get recovering(): boolean {
    return this.#scope.recovering
  }

  get signal(): AbortSignal {
    return this.#scope.signal
  }

  get settled(): Promise<void> {
    return this.#scope.settled
  }

  get onShared(): ((work: SharedWork) => void) | undefined {
    const { trace } = this.#scope.inFlight
    const { shared } = this.services
    if (!trace && !shared) return undefined
    const { name } = this.running.node
    return (work) => {
      trace?.shared(name, work)
      shared?.(name, work)
    }
  }

  protected generation(): number {
    return this.#scope.inFlight.generation.id
  }
}
