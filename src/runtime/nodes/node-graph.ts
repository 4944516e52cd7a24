import type { Clock } from '../../clock.ts'
import { StreamError, toStreamError } from '../../errors.ts'
import type { StreamRecord } from '../../record.ts'
import type { Subtopology, Topology } from '../../topology/topology.ts'
import { closeAll } from '../close-all.ts'
import type { RuntimeObserver } from '../observer.ts'
import { RecordContext, type RecordScope, SynchronousContext, type TaskServices } from './contexts.ts'
import { Gate, type PassEnd } from './gate.ts'
import type { ResultOrigin } from './held-results.ts'
import type { InFlight, Visit } from './in-flight.ts'
import type { Pass } from './pass.ts'
import type { RecordWriter, RunningNode, RunningProcessor, RunningSink } from './running-nodes.ts'

type AnyRecord = StreamRecord<unknown, unknown>

export interface NodeGraphOptions {
  readonly topology: Topology
  readonly subtopology: Subtopology
  readonly services: TaskServices
  readonly observer: RuntimeObserver
  readonly clock: Clock
  readonly recordDeadlineMs: number
  readonly writerOf: (sinkNode: string) => RecordWriter
  /** A record passes again, because what failed may pass. */
  readonly retried: (node: string, error: StreamError) => void
  /** Deals with a record that a node failed: resolves when it is skipped or safely dead-lettered; never rejects. */
  readonly giveUp: (failed: FailedRecord) => Promise<void>
}

export interface FailedRecord {
  readonly node: string
  readonly error: StreamError
  readonly inFlight: InFlight
}

/**
 * The nodes of one task and how records move between them. Synchronous nodes run depth first in the order of the topology; beyond the
 * gate every record runs on its own. The runtime observes each node here, so operators need no metrics of their own.
 */
export class NodeGraph {
  readonly #options: NodeGraphOptions
  readonly #sources = new Map<string, readonly RunningNode[]>()
  readonly #nodes: RunningNode[] = []
  readonly #gates = new Map<RunningProcessor, Gate>()
  readonly #contexts = new Map<RunningProcessor, SynchronousContext>()
  #current: InFlight | undefined

  constructor(options: NodeGraphOptions) {
    this.#options = options
    this.#build()
  }

  get gates(): Gate[] {
    return [...this.#gates.values()]
  }

  /** Calls `init` of every processor, parents first. */
  init(): void {
    for (const running of this.#processors()) running.processor.init?.(this.#contextOf(running))
  }

  /** Runs a record from a source through everything that hangs on it. */
  dispatch(source: string, record: AnyRecord, inFlight: InFlight): void {
    this.#with(inFlight, () => {
      for (const child of this.#sources.get(source) ?? []) this.#enter(child, record)
    })
  }

  /** Runs a punctuator of a node; what it forwards belongs to `inFlight`. */
  punctuate(running: RunningProcessor, inFlight: InFlight, action: () => unknown): void {
    const { observer, services } = this.#options
    const context = this.#contextOf(running)
    context.outputs = []
    this.#with(inFlight, () => this.#guarded(running, action))
    if (context.outputs.length > 0) observer.forwarded?.(services.task, running.node.name, context.outputs.length)
    context.outputs = []
  }

  /** Lets through what gates hold back inside the recovery window. */
  release(): void {
    for (const gate of this.gates) gate.release()
  }

  /**
   * Sends on what nodes hold back, node after node in the order of the topology, so that what one of them sends another may hold and send. Each
   * result is a record of its own. True when nothing is left.
   */
  sendHeld(track: (origin: ResultOrigin) => InFlight, mayGoOn: () => boolean): boolean {
    for (const running of this.#processors()) {
      const context = this.#contexts.get(running)
      for (let held = context?.nextHeld(); held; held = context?.nextHeld()) {
        const { record, ...origin } = held
        const inFlight = track(origin)
        this.punctuate(running, inFlight, () => context?.forward(record))
        inFlight.release()
        if (!mayGoOn()) return false
      }
    }
    return true
  }

  dropHeld(): void {
    for (const context of this.#contexts.values()) context.dropHeld()
  }

  flush(): void {
    for (const running of this.#nodes) if (running.kind === 'sink') running.writer.flush()
  }

  close(): Promise<void> {
    return closeAll(
      this.#nodes.map((running) => async () => {
        if (running.kind === 'sink') await running.writer.close()
        else await running.processor.close?.()
      }),
    )
  }

  #processors(): RunningProcessor[] {
    return this.#nodes.filter((running) => running.kind === 'processor')
  }

  #with(inFlight: InFlight, action: () => void): void {
    this.#current = inFlight
    inFlight.within(action)
    this.#current = undefined
  }

  // ---- building

  #build(): void {
    const { topology, subtopology } = this.#options
    const built = new Map<string, RunningNode>()
    const childrenOf = (names: readonly string[]): RunningNode[] => names.flatMap((child) => built.get(child) ?? [])
    for (const name of subtopology.nodes.toReversed()) {
      const node = topology.nodes.get(name)
      if (node?.kind === 'source') this.#sources.set(name, childrenOf(node.children))
      else if (node?.kind === 'sink') built.set(name, { kind: 'sink', node, writer: this.#options.writerOf(name) })
      else if (node) {
        const processor = node.supplier.create() as RunningProcessor['processor']
        const running: RunningProcessor = { kind: 'processor', node, processor, children: childrenOf(node.children) }
        if (node.zone === 'gate') this.#gates.set(running, this.#makeGate(running))
        built.set(name, running)
      }
    }
    this.#nodes.push(...childrenOf(subtopology.nodes))
  }

  #makeGate(running: RunningProcessor): Gate {
    return new Gate({
      coalesces: running.node.supplier.coalesces ?? false,
      clock: this.#options.clock,
      enter: (pass) => pass.inFlight.within(() => this.#runBeyond(running, pass.record, pass)),
      settle: (pass, end) => this.#settle(pass, end),
    })
  }

  #contextOf(running: RunningProcessor): SynchronousContext {
    const known = this.#contexts.get(running)
    if (known) return known
    const context = new SynchronousContext(running, this.#options.services, {
      current: () => this.#current,
      enter: (child, record) => this.#enter(child, record),
    })
    this.#contexts.set(running, context)
    return context
  }

  // ---- the synchronous zone

  #enter(running: RunningNode, record: AnyRecord): void {
    const inFlight = this.#current
    if (!inFlight)
      throw new StreamError('ILLEGAL_STATE', `a record was forwarded to "${running.node.name}" outside of processing`)
    if (running.kind === 'sink') this.#write(running, record, inFlight)
    else if (running.node.zone === 'gate') this.#gates.get(running)?.offer(record, inFlight)
    else this.#runSynchronous(running, record, inFlight)
  }

  #runSynchronous(running: RunningProcessor, record: AnyRecord, inFlight: InFlight): void {
    const context = this.#contextOf(running)
    context.outputs = []
    visit(running, record, inFlight.visits)
    this.#guarded(running, () => running.processor.process(record, context))
    this.#observe(running, record, context.outputs)
  }

  /** An error stops the branch of this node only; its siblings go on. Nothing here may wait: what came later would belong to nobody. */
  #guarded(running: RunningProcessor, action: () => unknown): void {
    const inFlight = this.#current
    try {
      const result = action()
      if (result instanceof Promise) {
        result.catch(() => undefined)
        throw new StreamError('RECORD_FAILED', `node "${running.node.name}" returned a promise before the gate`, {
          fix: "Give it order: 'key', or make it synchronous.",
        })
      }
    } catch (cause) {
      const node = running.node.name
      const error = toStreamError(cause, 'RECORD_FAILED', `node "${node}" failed`)
      if (inFlight) this.#giveUp({ node, error, inFlight })
    }
  }

  #write(running: RunningSink, record: AnyRecord, inFlight: InFlight): void {
    inFlight.hold()
    this.#traced(running, record, inFlight, this.#options.services.signal).then(
      () => inFlight.release(),
      (cause: unknown) => {
        const node = running.node.name
        const error = toStreamError(cause, 'RECORD_FAILED', `sink "${node}" failed`)
        this.#giveUp({ node, error, inFlight })
        inFlight.release()
      },
    )
  }

  // ---- beyond the gate

  #runBeyond(running: RunningProcessor, record: AnyRecord, pass: Pass): void {
    const context = new RecordContext(running, this.#options.services, {
      scope: pass,
      enter: (child, output) => this.#enterBeyond(child, output, pass),
    })
    visit(running, record, pass.visits)
    const finish = (): void => this.#observe(running, record, context.outputs)
    try {
      const result = running.processor.process(record, context)
      if (result instanceof Promise) {
        const work = this.#timed(running.node.name, this.#watched(running, result, pass))
        pass.follow(running.node.name, work.then(finish))
      } else finish()
    } catch (error) {
      pass.fail(running.node.name, error)
    }
  }

  /** Ends when the work ends, the task closes or the deadline passes: a processor that ignores its signal holds nothing for ever. */
  #watched(running: RunningProcessor, work: Promise<void>, pass: Pass): Promise<void> {
    const { clock, recordDeadlineMs } = this.#options
    const { signal } = pass
    const cancel =
      running.node.supplier.deadline === 'none'
        ? () => undefined
        : clock.after(recordDeadlineMs, () => pass.abort(timeout(running.node.name, recordDeadlineMs)))
    return new Promise<void>((resolve, reject) => {
      const onAbort = () => reject(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
    }).finally(cancel)
  }

  #enterBeyond(running: RunningNode, record: AnyRecord, pass: Pass): void {
    if (pass.failure || pass.signal.aborted) return
    if (running.kind === 'sink')
      pass.follow(running.node.name, this.#traced(running, record, pass.inFlight, pass.signal))
    else this.#runBeyond(running, record, pass)
  }

  #traced(running: RunningSink, record: AnyRecord, inFlight: InFlight, signal: AbortSignal): Promise<void> {
    const write = (written: AnyRecord) => this.#writing(running, written, inFlight, signal)
    return inFlight.trace ? inFlight.trace.writing(running.node, record, write) : write(record)
  }

  /** A writer that throws at once has failed like one that rejects. */
  async #writing(running: RunningSink, record: AnyRecord, inFlight: InFlight, signal: AbortSignal): Promise<void> {
    const { clock, observer, services } = this.#options
    const startedAt = observer.delivered ? clock.now() : 0
    await running.writer.write(record, signal, inFlight.generation.id)
    if (!observer.delivered) return
    const at = clock.now()
    observer.delivered({ task: services.task, node: running.node.name, record, at, durationMs: at - startedAt })
  }

  #timed(node: string, work: Promise<void>): Promise<void> {
    const { clock, observer, services } = this.#options
    if (!observer.began && !observer.ended) return work
    const startedAt = clock.now()
    observer.began?.(services.task, node)
    return work.finally(() => observer.ended?.(services.task, node, clock.now() - startedAt))
  }

  /** A pass is over: done, tried again, or given up. */
  #settle(pass: Pass, end: PassEnd): void {
    const { failure, inFlight } = pass
    if (failure) this.#takeBack(pass.visits, pass)
    if (!failure) end.done()
    else if (failure.error.reaction === 'retry') {
      this.#options.retried(failure.node, failure.error)
      inFlight.trace?.retried(failure.node, failure.error)
      end.again()
    } else {
      this.#takeBack(inFlight.visits, pass)
      this.#options.giveUp({ ...failure, inFlight }).then(end.done)
    }
  }

  // ---- failures

  #giveUp(failed: FailedRecord): void {
    const { inFlight } = failed
    const { signal } = this.#options.services
    inFlight.hold()
    this.#takeBack(inFlight.visits, { inFlight, recovering: inFlight.recovering, signal, settled: Promise.resolve() })
    this.#options.giveUp(failed).then(() => inFlight.release())
  }

  /** Lets every node that saw the record correct what it remembers, before the record counts as done. */
  #takeBack(visits: readonly Visit[], scope: RecordScope): void {
    const { services } = this.#options
    try {
      for (const { node, record } of visits) {
        node.processor.takeBack?.(record, new RecordContext(node, services, { scope, enter: () => undefined }))
      }
    } catch (error) {
      services.fail(toStreamError(error, 'ILLEGAL_STATE', 'a node could not take a record back'))
    }
  }

  #observe(running: RunningProcessor, record: AnyRecord, outputs: readonly AnyRecord[]): void {
    this.#options.observer.processed?.({
      task: this.#options.services.task,
      node: running.node.name,
      record,
      outputs,
    })
  }
}

function visit(running: RunningProcessor, record: AnyRecord, visits: Visit[]): void {
  if (running.processor.takeBack) visits.push({ node: running, record })
}

function timeout(node: string, deadlineMs: number): StreamError {
  return new StreamError('RECORD_TIMEOUT', `node "${node}" did not finish a record within ${deadlineMs} ms`)
}
