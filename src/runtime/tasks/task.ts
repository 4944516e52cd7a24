import { StreamError, toStreamError } from '../../errors.ts'
import type { RecordMetadata } from '../../record.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { CommitOffset, ReadBatch, TopicPartition } from '../broker.ts'
import { closeAll } from '../close-all.ts'
import { commitGeneration } from '../commit/checkpoint.ts'
import type { RecoveryMark } from '../commit/recovery-mark.ts'
import type { TaskServices } from '../nodes/contexts.ts'
import type { Generation } from '../nodes/generation.ts'
import { HeldSender } from '../nodes/held-sender.ts'
import type { InFlight } from '../nodes/in-flight.ts'
import { type FailedRecord, NodeGraph } from '../nodes/node-graph.ts'
import { Progress } from '../nodes/progress.ts'
import { Punctuation } from '../nodes/punctuation.ts'
import type { RunningProcessor } from '../nodes/running-nodes.ts'
import { watchedStores } from '../nodes/timed-store.ts'
import { partitionKey } from '../partitions.ts'
import { sizeOf } from './partition-queue.ts'
import { RetryLog } from './retry-log.ts'
import { type TakenRecord, TaskInputs, type TaskPartition } from './task-inputs.ts'
import type { TaskOptions } from './task-options.ts'
import { type TaskPhase, type TaskView, taskView } from './task-view.ts'

/**
 * One partition of one sub-topology at work.
 *
 *   restoring --start--> running --suspend--> suspended --start--> running
 *              any of them --close--> closed
 *
 * Records are taken in timestamp order across its partitions, run through the synchronous nodes one by one, and go on beyond the gate
 * by themselves. A generation is cut on the commit interval and committed when the last of its records is done.
 */
export class Task {
  readonly id: TaskId
  readonly #options: TaskOptions
  readonly #inputs: TaskInputs
  readonly #graph: NodeGraph
  readonly #progress: Progress
  readonly #sender: HeldSender
  readonly #punctuation = new Punctuation()
  readonly #controller = new AbortController()
  #phase: TaskPhase = 'restoring'
  #closing: Promise<void> | undefined
  #streamTime: number
  #recovering: boolean
  #commitRequested = false
  #steps = 0

  constructor(options: TaskOptions) {
    const { settings, clock } = options
    this.id = options.id
    this.#options = options
    this.#recovering = options.recovering
    this.#streamTime = Math.max(-1, ...options.partitions.map(({ time = -1 }) => time))
    this.#inputs = new TaskInputs(options.partitions, {
      ...options,
      ...settings,
      signal: this.#controller.signal,
      fail: (error) => this.#fail(error),
    })
    this.#progress = new Progress({
      ...settings,
      clock,
      positions: () => this.#inputs.positions,
      beforeCut: (whole) => this.#sender.beforeCut(whole),
      commit: (generation) => this.#commit(generation),
      failed: (error) => this.#commitFailed(toStreamError(error, 'COMMIT_FAILED', `task ${this.id} cannot commit`)),
      finished: options.observer.finished?.bind(options.observer, options.id),
      changed: options.wake,
    })
    const retries = new RetryLog(options.id, clock, options.logger)
    this.#graph = new NodeGraph({
      ...options,
      services: this.#services(),
      recordDeadlineMs: settings.recordDeadlineMs,
      retried: (node, error) => {
        options.observer.retried?.(options.id, node, error)
        retries.note(node, error)
      },
      giveUp: (failed) => this.#giveUp(failed),
    })
    this.#sender = new HeldSender({ ...options, graph: this.#graph, progress: this.#progress })
  }

  get partitions(): readonly TaskPartition[] {
    return this.#options.partitions
  }

  get inputs(): TaskInputs {
    return this.#inputs
  }

  get state(): TaskState {
    return this.#options.state
  }

  get recovering(): boolean {
    return this.#recovering
  }

  get leaseEndsAt(): number {
    return this.#options.leaseEndsAt
  }

  /** Everything fetched is processed; it may still have to be committed. */
  get caughtUp(): boolean {
    return this.#phase === 'running' && this.#inputs.empty && this.#progress.quiet && !this.#sender.isSending
  }

  /** Counts records taken and generations committed: the same number twice is a task that gets nowhere. */
  get steps(): number {
    return this.#steps
  }

  /**
   * What it has taken is not done (embedding, the index or a sink is at work), or its next record waits for what a serde asks a server for,
   * or for a partition that is idle: each under its own deadline.
   */
  get waitsForOthers(): boolean {
    return !this.#progress.quiet || this.#inputs.isPreparing || this.#inputs.idlesUntil !== undefined
  }

  /** Something was fetched or taken and is not committed. */
  get hasWork(): boolean {
    return !this.#inputs.empty || !this.#progress.settled
  }

  get view(): TaskView {
    const [phase, inputs, progress] = [this.#phase, this.#inputs, this.#progress]
    return taskView({ id: this.id, phase, inputs, progress, state: this.state, streamTime: this.#streamTime })
  }

  /** Where the log goes on, as a commit. */
  offsets(mark: RecoveryMark): CommitOffset[] {
    return this.#inputs.offsets(this.#inputs.positions, mark)
  }

  /** When `maintain` has something to do next, on the clock. */
  get nextDue(): number {
    const never = Number.POSITIVE_INFINITY
    const { cutDue } = this.#progress
    return Math.min(cutDue, this.#punctuation.nextWallClock ?? never, this.#inputs.idlesUntil ?? never)
  }

  /** Aborts when the task closes. */
  get signal(): AbortSignal {
    return this.#controller.signal
  }

  get running(): boolean {
    return this.#phase === 'running'
  }

  /** Its stores are complete: records may be taken. */
  start(): void {
    const fresh = this.#phase === 'restoring'
    if (!fresh && this.#phase !== 'suspended') return
    this.#phase = 'running'
    if (fresh) this.#guarded(() => this.#graph.init())
    this.#options.wake()
  }

  /** Also while suspended: a kept task is given records from its position on before its open mark is committed and it starts. */
  add(partition: TopicPartition, batch: ReadBatch): void {
    if (this.#phase !== 'closed') this.#inputs.add(partition, batch)
  }

  /** Takes records until the queues are empty, a bound is reached or `until` has come. True when it took any. */
  run(until: number): boolean {
    let taken = 0
    if (this.#sender.isSending) this.#guarded(() => this.#sender.send(until))
    while (!this.#sender.isSending && this.#mayTake()) {
      const record = this.#inputs.take()
      if (!record) break
      this.#steps++
      this.#guarded(() => this.#process(record))
      if (this.#sender.isOverBudget) this.#guarded(() => this.#sender.send(until))
      taken++
      if (taken % 16 === 0 && this.#options.clock.now() >= until) break
    }
    return taken > 0 || this.#sender.isSending
  }

  /** Cuts on the commit interval and fires wall-clock punctuators. */
  maintain(): void {
    if (this.#phase !== 'running') return
    const now = this.#options.clock.now()
    for (const due of this.#punctuation.dueByWallClock(now)) this.#punctuate(due.node, () => due.punctuate(due.timeMs))
    if (this.#progress.hasMoved && (this.#commitRequested || now >= this.#progress.cutDue)) this.#cut()
  }

  /** Commits everything that was taken; false when the signal aborts first. */
  async commitAll(signal: AbortSignal): Promise<boolean> {
    this.#graph.release()
    this.#graph.flush()
    return this.#progress.drain(signal)
  }

  /** Commits what was taken so far, and goes on meanwhile; the signal ends the wait. */
  async commitTaken(signal: AbortSignal): Promise<void> {
    await this.#progress.commit(signal)
  }

  /** The position has come to these offsets, or passed them. A partition without one counts as not reached. */
  hasReached(offsetOf: (partition: TopicPartition) => number | undefined): boolean {
    const positions = this.#inputs.positions
    return this.partitions.every((partition) => {
      const position = positions.get(partitionKey(partition)) ?? 0
      return position >= (offsetOf(partition) ?? Number.POSITIVE_INFINITY)
    })
  }

  /** The position has once equalled the log end: nothing that a predecessor wrote can lie ahead. */
  closeWindow(): void {
    this.#recovering = false
    this.#graph.release()
  }

  /**
   * Stops intake, drops what was only fetched, and commits what gets done before the signal aborts. True when everything was; else the
   * task is abandoned.
   */
  async suspend(signal: AbortSignal): Promise<boolean> {
    if (this.#phase !== 'running') return this.#phase === 'suspended'
    this.#phase = 'suspended'
    this.#inputs.clear()
    const drained = await this.commitAll(signal)
    if (!drained) this.abandon()
    return drained
  }

  /** At once: takes nothing, writes nothing and commits nothing any more. What is in flight will be replayed. */
  abandon(): void {
    if (this.#phase === 'closed') return
    this.#phase = 'closed'
    const reason = new StreamError('MEMBER_FENCED', `task ${this.id} is closed`)
    this.#controller.abort(reason)
    for (const gate of this.#graph.gates) gate.abort(reason)
    this.#graph.dropHeld()
    this.#progress.stop()
  }

  /** Abandons the task and closes what it has open. */
  close(): Promise<void> {
    this.abandon()
    this.#closing ??= closeAll([
      () => this.#progress.close(),
      () => this.#graph.close(),
      () => this.#options.exactlyOnce?.close(),
      () => this.#options.state.close(),
    ])
    return this.#closing
  }

  // ---- taking records

  #mayTake(): boolean {
    if (this.#phase !== 'running') return false
    if (!this.#progress.hasRoom) {
      this.#graph.release()
      return false
    }
    const { state, exactlyOnce } = this.#options
    const { id } = this.#progress.open
    const held = state.overlayBytes(id) + (exactlyOnce?.outputBytes(id) ?? 0)
    return held < this.#options.settings.maxGenerationBytes || this.#cut()
  }

  #process({ head, partition }: TakenRecord): void {
    if (head.kind === 'null-key') {
      this.#options.observer.dropped?.(this.id, 'null_key')
      return
    }
    const source: RecordMetadata = { topic: partition.topic, partition: partition.partition, offset: head.raw.offset }
    const trace = this.#options.tracer?.begin({ task: this.id, source, ...head.raw })
    const origin = { source, raw: head.raw, bytes: sizeOf(head.raw), recovering: this.#recovering, trace }
    const inFlight = this.#progress.track(origin)
    if (head.kind === 'undecodable') {
      this.#giveUp({ node: partition.node.name, error: head.error, inFlight }).then(() => inFlight.release())
      return
    }
    if (head.record.timestamp < 0) {
      this.#rejectTimestamp(partition, inFlight)
      return
    }
    this.#options.observer.taken?.(this.id, partition, head.record.timestamp)
    this.#streamTime = Math.max(this.#streamTime, head.record.timestamp)
    this.#graph.dispatch(partition.node.name, head.record, inFlight)
    const due = this.#punctuation.dueByStreamTime(this.#streamTime)
    for (const { node, punctuate, timeMs } of due) this.#punctuate(node, () => punctuate(timeMs))
    inFlight.release()
  }

  /**
   * A negative time is the log's fault and fatal, unless an extractor of the user chose it to skip the record. What is fatal stays
   * unfinished, so that no commit passes it.
   */
  #rejectTimestamp({ topic, partition, node }: TaskPartition, inFlight: InFlight): void {
    const where = `${topic}-${partition} offset ${inFlight.source?.offset}`
    if (!node.source.timestamp) {
      this.#fail(new StreamError('TIMESTAMP_INVALID', `the record at ${where} has a negative timestamp`))
      return
    }
    this.#options.observer.dropped?.(this.id, 'timestamp')
    inFlight.release()
  }

  async #giveUp({ node, error, inFlight }: FailedRecord): Promise<void> {
    const { source, raw } = inFlight
    try {
      const generation = inFlight.generation.id
      inFlight.trace?.givenUp(node, error)
      await this.#options.deadLetters.handle({ task: this.id, node, error, source, raw, generation })
    } catch (cause) {
      this.#fail(toStreamError(cause, 'PRODUCE_FAILED', 'a dead letter could not be written'))
      // The record stays unfinished for ever, so that its generation is never committed.
      await new Promise(() => undefined)
    }
  }

  #punctuate(node: RunningProcessor, action: () => unknown): void {
    const inFlight = this.#progress.track({ source: undefined, raw: undefined, bytes: 0, recovering: this.#recovering })
    this.#graph.punctuate(node, inFlight, action)
    inFlight.release()
  }

  // ---- committing

  /** False when too many generations wait already, or held results are not all out: then intake has to pause. Nothing is committed early. */
  #cut(): boolean {
    this.#graph.release()
    if (!this.#progress.cut()) return false
    this.#commitRequested = false
    this.#graph.flush()
    return true
  }

  async #commit(generation: Generation): Promise<void> {
    const { settings, clock, observer } = this.#options
    const startedAt = clock.now()
    const offsets = this.#inputs.offsets(generation.positions ?? new Map(), 'open')
    await commitGeneration(generation, offsets, {
      ...this.#options,
      application: settings.application,
      transactions: this.#options.exactlyOnce,
      signal: this.#controller.signal,
    })
    this.#steps++
    observer.committed?.(this.id, generation.records, clock.now() - startedAt)
  }

  #commitFailed(error: StreamError): void {
    this.#options.observer.commitFailed?.(this.id, error)
    this.#fail(error)
  }

  // ---- services for nodes

  #services(): TaskServices {
    const { state, clock, pipelineOf, observer } = this.#options
    return {
      task: this.id,
      signal: this.#controller.signal,
      streamTime: () => this.#streamTime,
      openGeneration: () => this.#progress.open.id,
      wallClock: () => clock.now(),
      store: watchedStores(
        this.#options,
        (name, generation) => this.#options.globalStore(name) ?? state.view(name, generation, () => this.#streamTime),
      ),
      schedule: (by, request) => this.#punctuation.schedule(by, request, clock.now()),
      requestCommit: () => {
        this.#commitRequested = true
        this.#options.wake()
      },
      drop: (reason) => observer.dropped?.(this.id, reason),
      cacheBudget: this.#options.cacheBudget,
      shared: observer.shared && ((node, work) => observer.shared?.(this.id, node, work)),
      pipelineOf,
      fail: (error) => this.#fail(error),
    }
  }

  #guarded(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#fail(toStreamError(error, 'ILLEGAL_STATE', `task ${this.id} failed`))
    }
  }

  /** Nothing is committed any more, so nobody waits for it. Errors that arrive after the close are echoes of it. */
  #fail(error: StreamError): void {
    if (this.#phase === 'closed') return
    this.#progress.stop()
    this.#options.fail(error)
  }
}
