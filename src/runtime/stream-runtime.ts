import { type Clock, systemClock } from '../clock.ts'
import { parseSettings, type RuntimeSettings, type RuntimeSettingsInput } from '../config.ts'
import { isStreamError, StreamError, toStreamError } from '../errors.ts'
import { type Logger, silentLogger } from '../logger.ts'
import type { TaskId } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'
import { stickyAssignor, topicsBySubtopology } from './assignor.ts'
import type { Broker, CommitOffset, GroupListener, GroupMember, TopicPartition } from './broker.ts'
import type { Failpoint } from './checkpoint.ts'
import { Lifecycle, type RuntimeState, type StateListener } from './lifecycle.ts'
import type { RuntimeObserver } from './observer.ts'
import type { Task } from './task.ts'
import { TaskFactory } from './task-factory.ts'
import { partitionKey } from './task-inputs.ts'
import { TaskManager } from './task-manager.ts'
import { Wakeup } from './wakeup.ts'

export interface StreamRuntimeOptions extends RuntimeSettingsInput {
  readonly topology: Topology
  /** Open, and closed by whoever opened it, after the runtime. */
  readonly broker: Broker
  readonly clock?: Clock
  readonly logger?: Logger
  readonly observer?: RuntimeObserver
  /** For tests: called at each step of a commit. */
  readonly failpoint?: (point: Failpoint) => Promise<void>
  /** For tests: keep all stores in memory; a restart restores them from the changelogs. */
  readonly stateInMemory?: boolean
}

/** How long the loop works before it lets the event loop breathe. */
const sliceMs = 5
/** How often a drain looks again when nothing happens. */
const quietCheckMs = 100

/**
 * Runs a topology: joins the consumer group of the application, works on the tasks that it is assigned, and commits.
 *
 * @example
 * await using broker = kafkaBroker({ brokers: ['127.0.0.1:9092'] })
 * await broker.open()
 * const runtime = new StreamRuntime({ topology, broker, application: 'documents-to-index' })
 * process.once('SIGTERM', () => runtime.close())
 * await runtime.start()
 * await runtime.finished
 */
export class StreamRuntime implements AsyncDisposable {
  readonly #topology: Topology
  readonly #broker: Broker
  readonly #settings: RuntimeSettings
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #lifecycle = new Lifecycle()
  readonly #finished = Promise.withResolvers<void>()
  readonly #wakeup: Wakeup
  readonly #factory: TaskFactory
  readonly #manager: TaskManager
  readonly #sourceNodes: ReadonlyMap<string, number>
  /** Present once the group is joined; the first assignment may come before. */
  readonly #joined = Promise.withResolvers<GroupMember>()
  #member: GroupMember | undefined
  readonly #firstAssignment = Promise.withResolvers<void>()
  #assigned = false
  #loop: Promise<void> | undefined
  #stopping: Promise<void> | undefined
  readonly #quietWaiters: (() => void)[] = []
  #windowCheckDue = 0

  /** Throws CONFIG_INVALID. */
  constructor(options: StreamRuntimeOptions) {
    const { topology, broker, clock = systemClock, logger = silentLogger, observer = {}, ...rest } = options
    const { failpoint = async () => undefined, stateInMemory = false, ...settings } = rest
    this.#topology = topology
    this.#broker = broker
    this.#clock = clock
    this.#logger = logger
    this.#settings = parseSettings(settings)
    this.#wakeup = new Wakeup(clock)
    const topics = topicsBySubtopology(topology, this.#settings.application)
    this.#sourceNodes = new Map([...topics].flatMap(([id, names]) => names.map((topic) => [topic, id] as const)))
    this.#factory = new TaskFactory({
      topology,
      broker,
      clock,
      logger,
      observer,
      settings: this.#settings,
      failpoint,
      stateInMemory,
      commitOffsets: (offsets) => this.#commit(offsets),
      pause: (partition) => this.#member?.pause([partition]),
      resume: (partition) => this.#member?.resume([partition]),
      wake: () => this.#wakeup.wake(),
      fail: (task, error) => this.#taskFailed(task, error),
    })
    this.#manager = new TaskManager({
      logger,
      taskOf: (partition) => this.#taskOf(partition),
      create: (starts) => this.#factory.create(starts),
      restore: (task) => this.#factory.restore(task),
      released: (task, clean) => this.#factory.released(task, clean),
      commitOffsets: (offsets) => this.#commit(offsets),
      failed: (error) => this.#fail(toStreamError(error, 'ILLEGAL_STATE', 'a task could not be restored')),
      stateChanged: () => this.#updateState(),
    })
    // A caller that never looks at `finished` hears of the failure from `start`, `close` or the listener.
    this.#finished.promise.catch(() => undefined)
    this.#joined.promise.catch(() => undefined)
    this.#firstAssignment.promise.catch(() => undefined)
  }

  get state(): RuntimeState {
    return this.#lifecycle.state
  }

  /** Resolves when the runtime was closed; rejects with what made it fail. */
  get finished(): Promise<void> {
    return this.#finished.promise
  }

  /** Calls the listener at every change of state; returns how to stop that. */
  onStateChange(listener: StateListener): () => void {
    return this.#lifecycle.onChange(listener)
  }

  /** Tasks of this instance, for views. */
  get tasks(): readonly Task[] {
    return this.#manager.tasks
  }

  /**
   * Resolves when the first assignment was delivered. Throws TOPIC_MISSING, INDEX_MISMATCH, STATE_LOCKED ... with everything closed
   * again.
   */
  async start(): Promise<void> {
    this.#lifecycle.move('starting')
    try {
      await this.#factory.open()
      this.#lifecycle.move('rebalancing')
      this.#member = await this.#broker.join(this.#groupOptions(), this.#listener())
      this.#joined.resolve(this.#member)
      this.#loop = this.#run()
      await this.#firstAssignment.promise
      this.#updateState()
    } catch (error) {
      const failure = toStreamError(error, 'ILLEGAL_STATE', 'the runtime could not start')
      await this.#fail(failure)
      throw failure
    }
  }

  /** Commits what is done within `closeDeadlineMs`, leaves the group and closes everything. Closing twice is closing once. */
  async close(): Promise<void> {
    if (!this.#lifecycle.alive) return this.#stopping
    this.#lifecycle.move('closing')
    this.#stopping = this.#stop()
    await this.#stopping
    this.#lifecycle.move('closed')
    this.#finished.resolve()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Ends at once without a commit, as a crash of the process would. For tests. */
  async kill(): Promise<void> {
    if (!this.#lifecycle.alive) return this.#stopping
    this.#lifecycle.move('closing')
    this.#stopping = this.#manager.lost().then(() => this.#stop())
    await this.#stopping
    this.#lifecycle.move('closed')
    this.#finished.resolve()
  }

  /**
   * Resolves when every record that is in the log is processed and committed. With several instances each waits for its own tasks.
   * Throws what made the runtime fail.
   */
  async drain(): Promise<void> {
    while (this.#lifecycle.alive) {
      if (await this.#isDrained()) return
      await this.#quiet()
    }
    await this.finished
  }

  /** Looks twice, because a commit may have waited for writes to an internal topic that another task reads. */
  async #isDrained(): Promise<boolean> {
    if (!this.#assigned || !(await this.#isAtEnd())) return false
    const deadline = this.#deadline(this.#settings.closeDeadlineMs)
    const committed = await Promise.all(this.#manager.tasks.map((task) => task.commitAll(deadline.signal)))
    deadline.cancel()
    return !committed.includes(false) && (await this.#isAtEnd())
  }

  async #isAtEnd(): Promise<boolean> {
    const ends = await this.#broker.offsets(this.#manager.tasks.flatMap((task) => task.partitions))
    const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
    return this.#manager.tasks.every(
      (task) => task.caughtUp && task.hasReached((partition) => latest.get(partitionKey(partition))),
    )
  }

  /** Resolves when the loop has nothing to do, or after a moment: a log may end in offsets that are never delivered. */
  #quiet(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = this.#clock.after(quietCheckMs, resolve)
      this.#quietWaiters.push(() => {
        cancel()
        resolve()
      })
    })
  }

  // ---- group membership

  #groupOptions() {
    const topics = topicsBySubtopology(this.#topology, this.#settings.application)
    return {
      group: this.#settings.application,
      topics: [...topics.values()].flat(),
      assignor: stickyAssignor(topics, () => this.#manager.tasks.map((task) => task.id)),
      sessionTimeoutMs: this.#settings.sessionTimeoutMs,
      rebalanceTimeoutMs: this.#settings.rebalanceTimeoutMs,
    }
  }

  #listener(): GroupListener {
    return {
      assigned: async (partitions) => {
        const starts = await this.#manager.assigned(partitions)
        this.#assigned = true
        this.#firstAssignment.resolve()
        return starts
      },
      revoked: async ({ at }) => {
        if (this.#lifecycle.state === 'running') this.#lifecycle.move('rebalancing')
        // A part of the time is kept for the commits themselves.
        const available = (at - this.#clock.now()) * 0.8
        const deadline = this.#deadline(Math.min(available, this.#settings.closeDeadlineMs))
        await this.#manager.revoked(deadline.signal)
        deadline.cancel()
      },
      lost: () => this.#manager.lost(),
      records: (partition, batch) => {
        this.#manager.add(partition, batch)
        this.#wakeup.wake()
      },
      failed: (error) => void this.#fail(error),
    }
  }

  #taskOf({ topic, partition }: TopicPartition): TaskId {
    const subtopology = this.#sourceNodes.get(topic)
    if (subtopology === undefined)
      throw new StreamError('ILLEGAL_STATE', `the group assigned topic "${topic}", which nobody reads`)
    return `${subtopology}_${partition}`
  }

  async #commit(offsets: readonly CommitOffset[]): Promise<void> {
    const member = await this.#joined.promise
    await member.commit(offsets)
  }

  #updateState(): void {
    if (!this.#lifecycle.alive || !this.#loop || !this.#assigned) return
    const ready = this.#manager.tasks.every((task) => task.running)
    this.#lifecycle.move(ready ? 'running' : 'rebalancing')
  }

  // ---- work

  async #run(): Promise<void> {
    for (let turn = 0; this.#lifecycle.alive; turn++) {
      const worked = this.#workOnce(turn)
      await this.#closeWindows()
      if (worked) await new Promise((resolve) => setImmediate(resolve))
      else {
        this.#tellQuiet()
        await this.#wakeup.wait(this.#nextDue())
      }
    }
    this.#tellQuiet()
  }

  #tellQuiet(): void {
    for (const resolve of this.#quietWaiters.splice(0)) resolve()
  }

  /** Gives every task a turn; each time another one is the first, so that a busy one does not starve the others. */
  #workOnce(turn: number): boolean {
    const running = this.#manager.running
    const until = this.#clock.now() + sliceMs
    let worked = false
    for (let index = 0; index < running.length; index++) {
      const task = running[(turn + index) % running.length]
      if (task?.run(until)) worked = true
    }
    for (const task of running) task.maintain()
    return worked
  }

  #nextDue(): number {
    const due = this.#manager.running.map((task) => task.nextDue)
    const recovering = this.#manager.running.some((task) => task.recovering)
    return Math.min(...due, recovering ? this.#windowCheckDue : Number.POSITIVE_INFINITY)
  }

  /** Asks for the log end on behalf of the tasks inside their recovery window, once an interval. */
  async #closeWindows(): Promise<void> {
    const recovering = this.#manager.running.filter((task) => task.recovering)
    if (recovering.length === 0 || this.#clock.now() < this.#windowCheckDue) return
    this.#windowCheckDue = this.#clock.now() + Math.min(this.#settings.commitIntervalMs, 1_000)
    try {
      const ends = await this.#broker.offsets(recovering.flatMap((task) => task.partitions))
      const latest = new Map(ends.map((end) => [partitionKey(end), end.latest]))
      for (const task of recovering) {
        if (task.hasReached((partition) => latest.get(partitionKey(partition)))) task.closeWindow()
      }
    } catch (error) {
      // The window stays open: a look too many, nothing worse.
      this.#logger.warn({ error: isStreamError(error) ? error.message : String(error) }, 'the log end is not known')
    }
  }

  // ---- the end

  #taskFailed(task: Task, error: StreamError): void {
    if (error.reaction === 'migrate') {
      this.#logger.warn({ task: task.id }, `the task is dropped: ${error.message}`)
      void this.#manager.drop(task)
    } else void this.#fail(error)
  }

  async #fail(error: StreamError): Promise<void> {
    if (this.#lifecycle.state === 'failed' || this.#lifecycle.state === 'closed') return
    this.#lifecycle.move('failed')
    this.#firstAssignment.reject(error)
    this.#stopping ??= this.#manager.lost().then(() => this.#stop())
    try {
      await this.#stopping
    } catch (cause) {
      this.#logger.error({ error: String(cause) }, 'closing after the failure failed as well')
    }
    this.#finished.reject(error)
  }

  async #stop(): Promise<void> {
    this.#joined.reject(new StreamError('BROKER_CLOSED', 'the runtime is closed'))
    this.#wakeup.wake()
    await this.#loop
    await this.#member?.leave()
    await this.#manager.lost()
    await this.#factory.close()
  }

  #deadline(afterMs: number): { signal: AbortSignal; cancel: () => void } {
    const controller = new AbortController()
    const cancel = this.#clock.after(afterMs, () =>
      controller.abort(new StreamError('RECORD_TIMEOUT', 'the deadline passed')),
    )
    return { signal: controller.signal, cancel }
  }
}
