import { type Clock, delay } from '../clock.ts'
import { deadLetterTopicOf, type RuntimeSettings } from '../config.ts'
import { StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import type { TaskState } from '../state/task-state.ts'
import type { Lease, TaskId } from '../topology/processor.ts'
import { partitionOf, subtopologyOf } from '../topology/task-id.ts'
import { type AnyTarget, type SourceNode, type Subtopology, type Topology, topicName } from '../topology/topology.ts'
import type { Broker, CommitOffset, GroupMember, Producer, TopicPartition } from './broker.ts'
import { closeAll } from './close-all.ts'
import type { Failpoint } from './commit/checkpoint.ts'
import { ExactlyOnce } from './commit/exactly-once.ts'
import { GroupLease } from './commit/group-lease.ts'
import { nextEpoch } from './commit/recovery-mark.ts'
import { TaskTransactions } from './commit/task-transactions.ts'
import { transactionScope } from './commit/transaction-scope.ts'
import { GlobalTables } from './copies/global-tables.ts'
import { Permits } from './copies/permits.ts'
import { restoreTask } from './copies/restorer.ts'
import { Standbys } from './copies/standbys.ts'
import { DeadLetters } from './dead-letters/dead-letters.ts'
import { decodeOrders, type MemberReport } from './group/member-report.ts'
import { CacheBudget } from './nodes/held-results.ts'
import type { RecordWriter } from './nodes/running-nodes.ts'
import type { RuntimeObserver } from './observer.ts'
import { GenerationOutputs } from './outputs/generation-outputs.ts'
import { TopicProducer } from './outputs/topic-producer.ts'
import { topicSinkWriter } from './outputs/topic-sink.ts'
import { openTargets } from './outputs/topic-targets.ts'
import type { TopicWriter } from './outputs/topic-writer.ts'
import { partitionKey } from './partitions.ts'
import { type QueriedEnvironment, StoreQueries } from './queries/store-queries.ts'
import {
  isFenced,
  type OpenResources,
  openResources,
  requestTimeoutOf,
  requireShortRequests,
} from './resources/resources.ts'
import { retrying } from './retry.ts'
import { type StartFrom, startPositions } from './tasks/start-positions.ts'
import { Task } from './tasks/task.ts'
import type { TaskPartition } from './tasks/task-inputs.ts'
import type { TaskEnd, TaskStart } from './tasks/task-manager.ts'
import { TaskStates } from './tasks/task-states.ts'
import { warnOfAbandonedTopics } from './topics/abandoned-topics.ts'
import { requireKnownTasks, type TopicPlan } from './topics/internal-topics.ts'
import { RepartitionPurge } from './topics/repartition-purge.ts'
import { prepareTopics } from './topics/topics.ts'
import type { Tracer } from './tracer.ts'

export interface TaskFactoryOptions {
  readonly topology: Topology
  readonly broker: Broker
  readonly settings: RuntimeSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RuntimeObserver
  readonly tracer: Tracer | undefined
  readonly failpoint: (point: Failpoint) => Promise<void>
  /** Keep all stores in memory, to be restored from the changelogs. */
  readonly stateInMemory: boolean
  /** Aborts when the runtime ends, also while the factory is being opened. */
  readonly signal: AbortSignal
  readonly member: () => GroupMember | undefined
  /** Those that were made of it and are not closed. */
  readonly tasks: () => readonly Task[]
  readonly commitOffsets: (offsets: readonly CommitOffset[]) => Promise<void>
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
  readonly wake: () => void
  readonly fail: (task: Task, error: StreamError) => void
  /** What all tasks need is not kept current any more. */
  readonly failed: (error: StreamError) => void
}

/** What tasks share: topics, resources, the state directory and the producer. */
interface Environment {
  readonly plan: TopicPlan
  readonly resources: OpenResources
  /** By the name of the sink node. */
  readonly targets: ReadonlyMap<string, AnyTarget>
  readonly states: TaskStates
  readonly standbys: Standbys
  readonly globalTables: GlobalTables | undefined
  readonly producer: Producer
  readonly topicProducer: TopicProducer
}

/** What a task is made of. */
interface TaskParts {
  readonly subtopology: Subtopology
  readonly state: TaskState
  readonly positions: ReadonlyMap<string, StartFrom>
  readonly transactions: TaskTransactions | undefined
}

/** Tasks that read their changelogs at the same time; each holds two batches in memory. */
const maxRestores = 8

/** A broker answers within this part of the session timeout, or the member is about to be removed. */
const brokerMargin = 0.2

/** Opens everything that tasks need, and makes tasks of it. */
export class TaskFactory {
  readonly #options: TaskFactoryOptions
  readonly #controller = new AbortController()
  readonly #closers: (() => Promise<void>)[] = []
  readonly #restores = new Permits(maxRestores)
  readonly #cacheBudget: CacheBudget
  readonly queries: StoreQueries
  #environment: Environment | undefined

  constructor(options: TaskFactoryOptions) {
    this.#options = options
    this.#cacheBudget = new CacheBudget(options.settings.cacheMaxBytes)
    this.queries = new StoreQueries({ ...options, environment: () => this.#queried() })
  }

  /** Nothing is written anywhere before the topics and the index were found to fit. */
  async open(): Promise<void> {
    const { topology, settings, broker, clock, logger } = this.#options
    requireShortRequests(topology, settings)
    // A broker that is away for a moment, as in a restart, is no reason for an instance not to start.
    const patiently = <T>(action: () => Promise<T>, what: string) => retrying(action, { ...this.#options, what })
    const plan = await patiently(() => prepareTopics(topology, settings, broker), 'preparing the topics')
    await warnOfAbandonedTopics(this.#options)
    const resources = await openResources(topology)
    this.#closers.push(() => resources.close())
    const targets = await openTargets(topology, settings, this.#options.signal)
    const stored = await this.#openStates()
    const globalTables = await this.#openGlobalTables(stored.states, plan)
    const producer = await patiently(() => broker.producer(), 'opening a producer')
    this.#closers.push(() => producer.close())
    const topicProducer = new TopicProducer({ producer, clock, logger, signal: this.#controller.signal })
    const purge = new RepartitionPurge(this.#options)
    this.#closers.push(async () => purge.stop())
    purge.start()
    this.#environment = { plan, resources, targets, ...stored, globalTables, producer, topicProducer }
  }

  async #openStates(): Promise<{ readonly states: TaskStates; readonly standbys: Standbys }> {
    const { settings, stateInMemory: inMemory, ...shared } = this.#options
    const { stateDirectory, application } = settings
    const states = await TaskStates.open({ ...shared, stateDirectory, application, inMemory })
    this.#closers.push(() => states.close())
    const standbys = new Standbys({ ...shared, settings, states })
    this.#closers.push(() => standbys.close())
    return { states, standbys }
  }

  /** They are complete before there are tasks. */
  async #openGlobalTables(states: TaskStates, { partitions }: TopicPlan): Promise<GlobalTables | undefined> {
    const specs = [...this.#options.topology.globalTables.values()]
    if (specs.length === 0) return undefined
    const state = await states.openGlobal(specs.map(({ store }) => store))
    this.#closers.push(async () => {
      await state.close()
      await states.releasedGlobal()
    })
    const tables = await GlobalTables.open({ ...this.#options, partitions, state })
    this.#closers.push(async () => tables.close())
    return tables
  }

  /** Undefined where the topology has none, and before they are complete. */
  get globalTables(): GlobalTables | undefined {
    return this.#environment?.globalTables
  }

  /** What the leader is told before every join. */
  get report(): MemberReport {
    const states = this.#environment?.states
    return {
      tasks: this.#options.tasks().map(({ id }) => id),
      positions: states?.areOnDisk ? states.positions() : undefined,
      address: this.queries.address,
    }
  }

  /** Tasks of other instances whose changelogs are followed. */
  get standbys(): readonly TaskId[] {
    return this.#environment?.standbys.ids ?? []
  }

  /** What the leader says besides the partitions: which changelogs to follow until their tasks come to this instance, and who has what. */
  obey(data: Uint8Array): void {
    const { standbys, hosts } = decodeOrders(data)
    this.#environment?.standbys.assign(standbys)
    this.queries.learn(hosts)
  }

  /** Makes tasks with their committed positions; their stores are still to be restored. */
  async create(starts: readonly TaskStart[]): Promise<Task[]> {
    const { topology, settings, broker } = this.#options
    const { plan, resources } = this.#opened()
    requireKnownTasks(
      starts.map(({ id }) => id),
      plan,
      topology,
    )
    const { indexesEmpty } = resources
    const transactions = await this.#openTransactions(starts)
    const tasks: Task[] = []
    try {
      const positions = await startPositions(starts, { topology, settings, broker, indexesEmpty })
      for (const start of starts) tasks.push(await this.#createTask(start, positions, transactions.get(start.id)))
    } catch (error) {
      await closeAll([...transactions.values()].map((own) => () => own.close()))
      for (const task of tasks) await closeAll([() => task.close(), () => this.released(task, 'unclean')])
      throw error
    }
    return tasks
  }

  /**
   * Restores the stores, and waits until the lease of a predecessor has run out that did not say goodbye. What it may have written to the
   * changelogs until then is restored as well.
   */
  async prepare(task: Task): Promise<void> {
    await this.#restore(task)
    const { topology } = this.#options
    const longestMs = requestTimeoutOf(topology, subtopologyOf(topology, task.id))
    // A clock that was turned back meanwhile would make the wait as much longer.
    const leaseMs = Math.min(task.leaseEndsAt - this.#options.clock.now(), longestMs)
    if (leaseMs <= 0) return
    this.#options.logger.info({ task: task.id, leaseMs }, 'waiting for the requests of the owner before')
    await delay(this.#options.clock, leaseMs, task.signal)
    await this.#restore(task)
  }

  async #restore(task: Task): Promise<void> {
    const { settings, broker, observer, clock } = this.#options
    const options = {
      application: settings.application,
      task: task.id,
      partition: partitionOf(task.id),
      offsets: task.partitions,
      stores: subtopologyOf(this.#options.topology, task.id).stores,
      state: task.state,
      broker,
      observer,
      clock,
      signal: task.signal,
    }
    await this.#restores.using(() => restoreTask(options), task.signal)
  }

  /** The task is closed. */
  async released(task: Task, end: TaskEnd): Promise<void> {
    await this.#environment?.states.released(task.id, end)
  }

  /** Everything in the opposite order of opening; one failure does not keep the rest open. */
  async close(): Promise<void> {
    this.#controller.abort(new StreamError('BROKER_CLOSED', 'the runtime is closed'))
    this.#environment = undefined
    await closeAll(this.#closers.splice(0).reverse())
  }

  /** With exactly_once. It comes before anything is read: from here on no predecessor can commit. */
  async #openTransactions(starts: readonly TaskStart[]): Promise<Map<TaskId, TaskTransactions>> {
    const { topology, settings, broker, clock, logger } = this.#options
    const group = settings.application
    const { partitions } = this.#opened().plan
    const open = async (id: TaskId): Promise<readonly [TaskId, TaskTransactions]> => {
      const scope = transactionScope(id, { topology, settings, partitions })
      const openProducer = () => broker.producer({ transactionalId: `${group}-${id}`, transactionScope: scope })
      const options = { group, openProducer, clock, logger, lease: this.#brokerLease(id) }
      return [id, await TaskTransactions.open(options, this.#controller.signal)]
    }
    const isWanted = settings.processingGuarantee === 'exactly_once'
    return new Map(await Promise.all(isWanted ? starts.map(({ id }) => open(id)) : []))
  }

  async #createTask(
    { id, partitions }: TaskStart,
    positions: ReadonlyMap<string, StartFrom>,
    transactions: TaskTransactions | undefined,
  ): Promise<Task> {
    const subtopology = subtopologyOf(this.#options.topology, id)
    const state = await this.#openState(id, subtopology)
    try {
      return this.#makeTask({ id, partitions }, { subtopology, state, positions, transactions })
    } catch (error) {
      await closeAll([() => state.close(), () => this.#opened().states.released(id, 'unclean')])
      throw error
    }
  }

  #makeTask({ id, partitions }: TaskStart, { subtopology, state, positions, transactions }: TaskParts): Task {
    const { topology, failpoint, clock } = this.#options
    const environment = this.#opened()
    const outputs = transactions && new GenerationOutputs()
    const topicWriter = outputs ?? environment.topicProducer
    const deadLetters = this.#deadLetters(topicWriter)
    const marks = partitions.map((partition) => positions.get(partitionKey(partition))?.mark ?? 'open')
    const before = partitions.map((partition) => positions.get(partitionKey(partition))?.epoch ?? 0)
    const epoch = isFenced(topology, subtopology) ? nextEpoch(before, clock.now()) : undefined
    const task: Task = new Task({
      ...this.#options,
      id,
      partition: partitionOf(id),
      topology,
      subtopology,
      partitions: partitions.map((partition) => this.#taskPartition(partition, subtopology, positions)),
      state,
      globalStore: (name) => environment.globalTables?.store(name),
      producer: environment.producer,
      deadLetters,
      cacheBudget: this.#cacheBudget,
      exactlyOnce: outputs && new ExactlyOnce({ transactions, outputs, deadLetters }),
      pipelineOf: (node) => environment.resources.pipelineOf(node).id,
      writerOf: (node) => this.#writerOf(node, id, topicWriter, epoch),
      epoch,
      recovering: marks.some((mark) => mark !== 'clean'),
      leaseEndsAt: marks.includes('open') ? clock.now() + requestTimeoutOf(topology, subtopology) : 0,
      lease: this.#brokerLease(id),
      fail: (error) => this.#options.fail(task, error),
      failpoint,
    })
    return task
  }

  async #openState(id: TaskId, { stores }: Subtopology): Promise<TaskState> {
    const { states, standbys } = this.#opened()
    return (await standbys.take(id)) ?? states.open(id, stores)
  }

  #taskPartition(
    partition: TopicPartition,
    subtopology: Subtopology,
    positions: ReadonlyMap<string, StartFrom>,
  ): TaskPartition {
    const { topology, settings } = this.#options
    const sources = subtopology.nodes.flatMap((name) => {
      const node = topology.nodes.get(name)
      return node?.kind === 'source' && topicName(node, settings.application) === partition.topic ? [node] : []
    })
    const node: SourceNode | undefined = sources[0]
    if (!node) throw new StreamError('ILLEGAL_STATE', `nobody reads topic "${partition.topic}"`)
    const { offset = 0, time = -1 } = positions.get(partitionKey(partition)) ?? {}
    return { ...partition, node, offset, time }
  }

  #deadLetters(producer: TopicWriter): DeadLetters {
    const { settings, observer, logger } = this.#options
    const topic = deadLetterTopicOf(settings)
    const partitions = this.#opened().plan.partitions.get(topic) ?? 1
    return new DeadLetters({ settings, producer, topic, partitions, observer, logger })
  }

  #writerOf(name: string, task: TaskId, producer: TopicWriter, epoch: number | undefined): RecordWriter {
    const { topology, settings } = this.#options
    const { plan, targets } = this.#opened()
    const node = topology.nodes.get(name)
    if (node?.kind !== 'sink') throw new StreamError('ILLEGAL_STATE', `"${name}" is no sink`)
    if (node.target.kind === 'sink')
      return node.target.sink.writer(task, this.#lease(node.target.sink.requestTimeoutMs ?? 0, epoch))
    const topic = topicName(node, settings.application) ?? node.target.topic
    return topicSinkWriter({
      producer,
      target: targets.get(name) ?? node.target,
      topic,
      partitions: plan.partitions.get(topic) ?? 1,
    })
  }

  #lease(requestTimeoutMs: number, epoch?: number): Lease {
    const { clock, member, settings } = this.#options
    return new GroupLease({ ...settings, clock, member, requestTimeoutMs, epoch })
  }

  /** For what a task writes to the broker: it has to be there before a successor has restored its stores. */
  #brokerLease(task: TaskId): Lease {
    const { topology, settings } = this.#options
    const indexTimeoutMs = requestTimeoutOf(topology, subtopologyOf(topology, task))
    return this.#lease(Math.max(indexTimeoutMs, settings.sessionTimeoutMs * brokerMargin))
  }

  #queried(): QueriedEnvironment | undefined {
    return this.#environment && { ...this.#environment, tasks: this.#environment.plan.tasks }
  }

  #opened(): Environment {
    if (!this.#environment) throw new StreamError('ILLEGAL_STATE', 'the runtime is not open')
    return this.#environment
  }
}
