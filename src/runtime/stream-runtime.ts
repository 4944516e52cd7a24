import { type Clock, systemClock } from '../clock.ts'
import { parseSettings, type RuntimeSettings, type RuntimeSettingsInput } from '../config.ts'
import { StreamError, toStreamError } from '../errors.ts'
import { type Logger, silentLogger } from '../logger.ts'
import type { Topology } from '../topology/topology.ts'
import type { Broker, GroupListener } from './broker.ts'
import { closeAll } from './close-all.ts'
import type { Failpoint } from './commit/checkpoint.ts'
import { taskFinder, topicsBySubtopology } from './group/assignor.ts'
import { groupOptions } from './group/group-options.ts'
import { Membership } from './group/membership.ts'
import { Lifecycle, type RuntimeState, type StateListener } from './lifecycle.ts'
import type { RuntimeObserver } from './observer.ts'
import type { StoreQueries } from './queries/store-queries.ts'
import { TaskFactory } from './task-factory.ts'
import type { Task } from './tasks/task.ts'
import { TaskManager } from './tasks/task-manager.ts'
import type { Tracer } from './tracer.ts'
import type { RuntimeView } from './views.ts'
import { Deadline } from './work/deadline.ts'
import { type DrainScope, isDrained } from './work/drained.ts'
import { LagWatch } from './work/lag.ts'
import { RecoveryWindows } from './work/recovery-windows.ts'
import { Watchdog } from './work/watchdog.ts'
import { WorkLoop } from './work/work-loop.ts'

export interface StreamRuntimeOptions extends RuntimeSettingsInput {
  readonly topology: Topology
  /** Open, and closed by whoever opened it, after the runtime. */
  readonly broker: Broker
  readonly clock?: Clock
  readonly logger?: Logger
  readonly observer?: RuntimeObserver
  readonly tracer?: Tracer
  /** For tests: called at each step of a commit. */
  readonly failpoint?: (point: Failpoint) => Promise<void>
  /** For tests: keep all stores in memory; a restart restores them from the changelogs. */
  readonly stateInMemory?: boolean
}

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
  /** Resolves when a close or a failure begins. */
  readonly #ending = Promise.withResolvers<readonly []>()
  readonly #loop: WorkLoop
  readonly #factory: TaskFactory
  readonly #manager: TaskManager
  readonly #watchdog: Watchdog
  readonly #lagWatch: LagWatch
  readonly #membership: Membership
  readonly #isStateOnDisk: boolean
  /** Aborts when the runtime ends. */
  readonly #joining = new AbortController()
  readonly #firstAssignment = Promise.withResolvers<void>()
  #opening: Promise<void> | undefined
  #working: Promise<void> | undefined
  #stopping: Promise<void> | undefined

  /** Throws CONFIG_INVALID. */
  constructor(options: StreamRuntimeOptions) {
    const { topology, broker, clock = systemClock, logger = silentLogger, observer = {}, ...rest } = options
    const { failpoint = async () => undefined, stateInMemory = false, tracer, ...settings } = rest
    this.#topology = topology
    this.#broker = broker
    this.#clock = clock
    this.#logger = logger
    this.#settings = parseSettings(settings)
    this.#isStateOnDisk = !stateInMemory
    this.#membership = new Membership({ broker, clock, observer, tracer })
    const topics = topicsBySubtopology(topology, this.#settings.application)
    this.#factory = new TaskFactory({
      topology,
      broker,
      clock,
      logger,
      observer,
      tracer,
      settings: this.#settings,
      failpoint,
      stateInMemory,
      signal: this.#joining.signal,
      member: () => this.#membership.member,
      tasks: () => this.#manager.tasks,
      commitOffsets: (offsets) => this.#membership.commit(offsets),
      pause: (partition) => this.#membership.member?.pause([partition]),
      resume: (partition) => this.#membership.member?.resume([partition]),
      wake: () => this.#loop.wake(),
      fail: (task, error) => this.#taskFailed(task, error),
      failed: (error) => void this.#fail(error),
    })
    this.#manager = new TaskManager({
      clock,
      logger,
      taskOf: taskFinder(topics),
      create: (starts) => this.#factory.create(starts),
      prepare: (task) => this.#factory.prepare(task),
      released: (task, end) => this.#factory.released(task, end),
      commitOffsets: (offsets) => this.#membership.commit(offsets),
      failed: (error) => this.#fail(toStreamError(error, 'ILLEGAL_STATE', 'a task could not be restored')),
      stateChanged: () => this.#updateState(),
    })
    const everyMs = Math.min(this.#settings.commitIntervalMs, 1_000)
    const windows = new RecoveryWindows({ broker, clock, logger, everyMs })
    this.#loop = new WorkLoop({ clock, windows, observer, running: () => this.#manager.running })
    this.#watchdog = new Watchdog({
      broker,
      clock,
      topics: [...new Set([...topics.values()].flat())],
      deadlineMs: this.#settings.processingDeadlineMs,
      assigned: () => this.#manager.assigned,
      tasks: () => this.#manager.tasks,
      paused: () => this.#loop.paused,
      failed: (error) => void this.#fail(error),
    })
    this.#lagWatch = new LagWatch({ broker, clock, logger, observer, tasks: () => this.#manager.tasks })
    // A caller that never looks at `finished` hears of the failure from `start`, `close` or the listener.
    this.#finished.promise.catch(() => undefined)
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

  /**
   * Takes no further record until `resume`, also of partitions that come with a rebalance. What was taken goes on and is committed,
   * punctuators fire, and the instance stays in its group; up to `maxQueuedBytes` of each partition are fetched ahead. `drain` waits
   * for `resume` when there are records. Pausing twice is pausing once.
   *
   * @example
   * runtime.pause()
   * await reindexCollection()
   * runtime.resume()
   */
  pause(): void {
    this.#loop.paused = true
  }

  /** Goes on after `pause`. */
  resume(): void {
    this.#loop.paused = false
  }

  get paused(): boolean {
    return this.#loop.paused
  }

  /** Tasks of this instance, for views. */
  get tasks(): readonly Task[] {
    return this.#manager.tasks
  }

  /** Its stores, to be read while it runs. */
  get queries(): StoreQueries {
    return this.#factory.queries
  }

  /** What it is doing now, for metrics and probes. */
  get view(): RuntimeView {
    return {
      application: this.#settings.application,
      topology: this.#topology,
      state: this.#lifecycle.state,
      isMember: this.#membership.isMember,
      tasks: this.#manager.tasks.map((task) => task.view),
      standbys: this.#factory.standbys,
      globalTables: this.#factory.globalTables?.view ?? [],
      stateDirectory: this.#isStateOnDisk ? this.#settings.stateDirectory : undefined,
      now: this.#clock.now(),
      busySince: this.#loop.busySince,
      processingDeadlineMs: this.#settings.processingDeadlineMs,
    }
  }

  /**
   * Resolves when the first assignment was delivered, or when the runtime is closed before that. Throws TOPIC_MISSING, INDEX_MISMATCH,
   * STATE_LOCKED ... with everything closed again.
   */
  async start(): Promise<void> {
    this.#lifecycle.move('starting')
    try {
      this.#opening = this.#open()
      await this.#opening
      await this.#firstAssignment.promise
      this.#updateState()
    } catch (error) {
      const failure = toStreamError(error, 'ILLEGAL_STATE', 'the runtime could not start')
      await this.#fail(failure)
      throw failure
    }
  }

  /** Commits what is done within `closeDeadlineMs`, leaves the group and closes everything. Throws what makes it fail. Closing twice is closing once. */
  async close(): Promise<void> {
    await this.#end(() => this.#stop())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Ends at once without a commit, as a crash of the process would. For tests. */
  async kill(): Promise<void> {
    await this.#end(() => this.#abort())
  }

  /**
   * Resolves when every record that is in the log is processed and committed, unless the scope says otherwise. With several instances each
   * waits for its own tasks. Throws what made the runtime fail.
   */
  async drain(scope: DrainScope = {}): Promise<void> {
    // What fell due in the meantime belongs to it.
    this.#loop.wake()
    await this.#loop.quiet()
    const options = { manager: this.#manager, broker: this.#broker, clock: this.#clock, ...scope }
    while (this.#lifecycle.alive) {
      await this.#factory.globalTables?.catchUp()
      if (await isDrained({ ...options, deadlineMs: this.#settings.closeDeadlineMs })) return
      await this.#loop.quiet()
    }
    await this.finished
  }

  // ---- group membership

  /** A close may come at any time: it waits until this has ended, and then closes what is open. */
  async #open(): Promise<void> {
    await this.#unlessEnding(this.#factory.open())
    if (!this.#lifecycle.alive) return
    this.#lifecycle.move('rebalancing')
    await this.#join()
    const failed = (error: unknown) => void this.#fail(toStreamError(error, 'ILLEGAL_STATE', 'the work loop failed'))
    this.#working = this.#loop.run().catch(failed)
    this.#watchdog.start()
    this.#lagWatch.start()
  }

  async #join(): Promise<void> {
    const options = groupOptions({
      topology: this.#topology,
      settings: this.#settings,
      logger: this.#logger,
      report: () => this.#factory.report,
      signal: this.#joining.signal,
    })
    await this.#unlessEnding(this.#membership.join(options, this.#listener()))
  }

  /** What was called off by the end has not failed. */
  async #unlessEnding(work: Promise<void>): Promise<void> {
    await work.catch((error: unknown) => {
      if (!this.#joining.signal.aborted) throw error
    })
  }

  /** Brings tasks back that were dropped without the group's knowing. */
  async #rejoin(): Promise<void> {
    await this.#opening
    if (!this.#lifecycle.alive) return
    await this.#membership.leave()
    await this.#manager.close()
    if (!this.#lifecycle.alive) return
    await this.#join()
  }

  #listener(): GroupListener {
    return {
      assigned: async (partitions, data) => {
        // Who closes does not wait for a broker that is asked where to begin; what comes of it is closed by the manager.
        const starts = await Promise.race([this.#manager.assign(partitions), this.#ending.promise])
        this.#factory.obey(data)
        this.#firstAssignment.resolve()
        return starts
      },
      revoked: async ({ at }) => {
        if (this.#lifecycle.state === 'running') this.#lifecycle.move('rebalancing')
        // A part of the time is kept for the commits themselves.
        const available = (at - this.#clock.now()) * 0.8
        using deadline = new Deadline(this.#clock, Math.min(available, this.#settings.closeDeadlineMs))
        await this.#manager.revoke(deadline.signal)
      },
      lost: () => this.#manager.lose(),
      records: (partition, batch) => {
        this.#manager.add(partition, batch)
        this.#loop.wake()
      },
      ends: (ends) => this.#manager.learnEnds(ends),
      failed: (error) => void (this.#lifecycle.alive && this.#fail(error)),
    }
  }

  #updateState(): void {
    if (!this.#lifecycle.alive || !this.#working || !this.#manager.assigned) return
    this.#lifecycle.move(this.#manager.tasks.every((task) => task.running) ? 'running' : 'rebalancing')
  }

  // ---- the end

  #taskFailed(task: Task, error: StreamError): void {
    if (error.reaction === 'migrate') {
      this.#logger.warn({ task: task.id }, `the task is dropped: ${error.message}`)
      void this.#drop(task, error)
    } else if (error.reaction === 'restore') {
      const dropped = this.#manager.drop(task, 'corrupt')
      void dropped.catch(() => undefined).then(() => this.#fail(error))
    } else void this.#fail(error)
  }

  /** Who was fenced hears of it from the group; nobody else knows of a commit whose outcome is unknown. */
  async #drop(task: Task, error: StreamError): Promise<void> {
    try {
      await this.#manager.drop(task)
      if (error.code !== 'COMMIT_UNKNOWN') return
      this.#opening = this.#rejoin()
      await this.#opening
    } catch (cause) {
      await this.#fail(toStreamError(cause, 'ILLEGAL_STATE', 'a task could not be brought back'))
    }
  }

  async #fail(error: StreamError): Promise<void> {
    if (['failed', 'closed'].includes(this.#lifecycle.state)) return
    this.#lifecycle.move('failed')
    this.#ending.resolve([])
    this.#firstAssignment.reject(error)
    this.#stopping ??= this.#abort()
    try {
      await this.#stopping
    } catch (cause) {
      this.#logger.error({ error: String(cause) }, 'closing after the failure failed as well')
    } finally {
      this.#finished.reject(error)
    }
  }

  async #end(stop: () => Promise<void>): Promise<void> {
    if (!this.#lifecycle.alive) return this.#stopping
    this.#lifecycle.move('closing')
    this.#ending.resolve([])
    this.#firstAssignment.resolve()
    this.#stopping = stop()
    try {
      await this.#stopping
    } catch (cause) {
      await this.#fail(toStreamError(cause, 'ILLEGAL_STATE', 'the runtime could not be closed'))
      throw cause
    }
    if (this.#lifecycle.state !== 'closing') return this.finished
    this.#lifecycle.move('closed')
    this.#finished.resolve()
  }

  /** Without a commit. */
  async #abort(): Promise<void> {
    await closeAll([() => this.#manager.lose(), () => this.#stop()])
  }

  async #stop(): Promise<void> {
    this.#loop.stop()
    this.#watchdog.stop()
    this.#lagWatch.stop()
    this.#joining.abort(new StreamError('BROKER_CLOSED', 'the runtime is closed'))
    // What goes wrong while opening is told by `start`.
    await this.#opening?.catch(() => undefined)
    this.#membership.end(new StreamError('BROKER_CLOSED', 'the runtime is closed'))
    await closeAll([
      () => this.#working,
      () => this.#membership.leave(),
      () => this.#manager.close(),
      () => this.#factory.close(),
    ])
  }
}
