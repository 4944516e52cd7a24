import { type Clock, delay } from '../clock.ts'
import { deadLetterTopicOf, type RuntimeSettings } from '../config.ts'
import { isStreamError, reasonOf, StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { changelogTopic } from '../state/changelog.ts'
import { openLevelStore } from '../state/level-store.ts'
import { memoryStore } from '../state/memory-store.ts'
import { openStateDirectory, type StateDirectory } from '../state/state-directory.ts'
import { TaskState } from '../state/task-state.ts'
import type { Lease, Sink, SinkWriter, TaskId } from '../topology/processor.ts'
import { type SourceNode, type Subtopology, type Topology, topicName } from '../topology/topology.ts'
import type { Broker, CommitOffset, GroupMember, Producer, TopicPartition } from './broker.ts'
import type { Failpoint } from './checkpoint.ts'
import { closeAll } from './close-all.ts'
import { DeadLetters } from './dead-letters.ts'
import { GroupLease } from './group-lease.ts'
import type { RuntimeObserver } from './observer.ts'
import { decodeMark, type RecoveryMark } from './recovery-mark.ts'
import { type OpenResources, openResources, requestTimeoutOf } from './resources.ts'
import { restoreTask } from './restorer.ts'
import { Task } from './task.ts'
import { partitionKey, type TaskPartition } from './task-inputs.ts'
import type { TaskEnd, TaskStart } from './task-manager.ts'
import { TopicProducer } from './topic-producer.ts'
import { topicSinkWriter } from './topic-sink.ts'
import { prepareTopics, type TopicPlan } from './topics.ts'

export interface TaskFactoryOptions {
  readonly topology: Topology
  readonly broker: Broker
  readonly settings: RuntimeSettings
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RuntimeObserver
  readonly failpoint: (point: Failpoint) => Promise<void>
  /** Keep all stores in memory, to be restored from the changelogs. */
  readonly stateInMemory: boolean
  readonly member: () => GroupMember | undefined
  readonly commitOffsets: (offsets: readonly CommitOffset[]) => Promise<void>
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
  readonly wake: () => void
  readonly fail: (task: Task, error: StreamError) => void
}

/** What tasks share: topics, resources, the state directory and the producer. */
interface Environment {
  readonly plan: TopicPlan
  readonly resources: OpenResources
  readonly directory: StateDirectory | undefined
  readonly producer: Producer
  readonly topicProducer: TopicProducer
  readonly deadLetters: DeadLetters
}

/** Half of `delete.retention.ms`, for which a changelog keeps deletions (Kafka's default: a day). */
const maxStateAgeMs = 12 * 60 * 60 * 1000

/** How often the state directory notes that its tasks still follow their changelogs. */
const stateTouchMs = 60_000

/** Opens everything that tasks need, and makes tasks of it. */
export class TaskFactory {
  readonly #options: TaskFactoryOptions
  readonly #controller = new AbortController()
  readonly #closers: (() => Promise<void>)[] = []
  #environment: Environment | undefined

  constructor(options: TaskFactoryOptions) {
    this.#options = options
  }

  /** Nothing is written anywhere before the topics and the index were found to fit. */
  async open(): Promise<void> {
    const { topology, settings, broker, clock, logger, observer } = this.#options
    requireShortRequests(topology, settings)
    const plan = await prepareTopics(topology, settings, broker)
    const resources = await openResources(topology)
    this.#closers.push(() => resources.close())
    const directory = await this.#openDirectory()
    const producer = await broker.producer()
    this.#closers.push(() => producer.close())
    const topicProducer = new TopicProducer({ producer, clock, logger, signal: this.#controller.signal })
    const deadLetterTopic = deadLetterTopicOf(settings)
    const deadLetters = new DeadLetters({
      settings,
      producer: topicProducer,
      topic: deadLetterTopic,
      partitions: plan.partitions.get(deadLetterTopic) ?? 1,
      observer,
      logger,
    })
    this.#environment = { plan, resources, directory, producer, topicProducer, deadLetters }
  }

  async #openDirectory(): Promise<StateDirectory | undefined> {
    const { settings, clock, stateInMemory } = this.#options
    if (stateInMemory) return undefined
    const directory = await openStateDirectory(settings.stateDirectory, settings.application, { clock })
    let cancel = clock.after(stateTouchMs, () => touch())
    const touch = (): void => {
      directory
        .touch()
        .catch((error: unknown) =>
          this.#options.logger.warn({ error: reasonOf(error) }, 'the state directory cannot be touched'),
        )
      cancel = clock.after(stateTouchMs, touch)
    }
    this.#closers.push(async () => {
      cancel()
      await directory.close()
    })
    return directory
  }

  /** Makes tasks with their committed positions; their stores are still to be restored. */
  async create(starts: readonly TaskStart[]): Promise<Task[]> {
    const positions = await this.#positions(starts)
    const tasks: Task[] = []
    try {
      for (const start of starts) tasks.push(await this.#createTask(start, positions))
    } catch (error) {
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
    const leaseMs = task.leaseEndsAt - this.#options.clock.now()
    if (leaseMs <= 0) return
    this.#options.logger.info({ task: task.id, leaseMs }, 'waiting for the requests of the owner before')
    await delay(this.#options.clock, leaseMs, task.signal)
    await this.#restore(task)
  }

  async #restore(task: Task): Promise<void> {
    const { settings, broker, observer } = this.#options
    await restoreTask({
      application: settings.application,
      task: task.id,
      partition: partitionOf(task.id),
      stores: this.#subtopologyOf(task.id).stores,
      state: task.state,
      broker,
      observer,
      signal: task.signal,
    })
  }

  /** The task is closed. A store that cannot be trusted is removed; the changelog restores it. */
  async released(task: Task, end: TaskEnd): Promise<void> {
    const directory = this.#environment?.directory
    if (end === 'corrupt') await directory?.remove(task.id)
    await directory?.release(task.id, end === 'clean' ? 'clean' : 'unclean')
  }

  /** Everything in the opposite order of opening; one failure does not keep the rest open. */
  async close(): Promise<void> {
    this.#controller.abort(new StreamError('BROKER_CLOSED', 'the runtime is closed'))
    this.#environment = undefined
    await closeAll(this.#closers.splice(0).reverse())
  }

  async #createTask({ id, partitions }: TaskStart, positions: ReadonlyMap<string, StartFrom>): Promise<Task> {
    const { topology, failpoint, clock } = this.#options
    const environment = this.#opened()
    const subtopology = this.#subtopologyOf(id)
    const state = await this.#openState(id, subtopology)
    const marks = partitions.map((partition) => positions.get(partitionKey(partition))?.mark ?? 'open')
    const task: Task = new Task({
      ...this.#options,
      id,
      partition: partitionOf(id),
      topology,
      subtopology,
      partitions: partitions.map((partition) => this.#taskPartition(partition, subtopology, positions)),
      state,
      producer: environment.producer,
      deadLetters: environment.deadLetters,
      pipelineOf: (node) => environment.resources.pipelineOf(node).id,
      writerOf: (node) => this.#writerOf(node, id),
      recovering: marks.some((mark) => mark !== 'clean'),
      leaseEndsAt: marks.includes('open') ? clock.now() + requestTimeoutOf(topology, subtopology) : 0,
      fail: (error) => this.#options.fail(task, error),
      failpoint,
    })
    return task
  }

  async #openState(id: TaskId, { stores }: Subtopology): Promise<TaskState> {
    const { directory } = this.#opened()
    if (!directory) {
      return TaskState.open({
        stores: stores.map((spec) => ({ ...spec, storage: 'memory' })),
        openDisk: async () => memoryStore(),
      })
    }
    const { path, ageMs, left } = await directory.acquire(id)
    const open = () => TaskState.open({ stores, openDisk: () => openLevelStore(path) })
    // Deletions may have been compacted out of the changelog since: a tail would not bring them.
    if (left !== 'none' && ageMs > maxStateAgeMs) await directory.remove(id)
    try {
      return await open()
    } catch (error) {
      if (!isStreamError(error) || error.reaction !== 'restore') throw error
      this.#options.logger.warn({ task: id }, `the state is wiped and restored: ${error.message}`)
      await directory.remove(id)
      return open()
    }
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
    return { ...partition, node, offset: positions.get(partitionKey(partition))?.offset ?? 0 }
  }

  #writerOf(name: string, task: TaskId): SinkWriter<unknown, unknown> {
    const { topology, settings } = this.#options
    const { plan, topicProducer } = this.#opened()
    const node = topology.nodes.get(name)
    if (node?.kind !== 'sink') throw new StreamError('ILLEGAL_STATE', `"${name}" is no sink`)
    if (node.target.kind === 'sink') return node.target.sink.writer(task, this.#leaseFor(node.target.sink))
    const topic = topicName(node, settings.application) ?? node.target.topic
    return topicSinkWriter({
      producer: topicProducer,
      target: node.target,
      topic,
      partitions: plan.partitions.get(topic) ?? 1,
    })
  }

  #leaseFor({ requestTimeoutMs = 0 }: Sink<never, never>): Lease {
    const { clock, member, settings } = this.#options
    return new GroupLease({ clock, member, sessionTimeoutMs: settings.sessionTimeoutMs, requestTimeoutMs })
  }

  #subtopologyOf(task: TaskId): Subtopology {
    const subtopology = this.#options.topology.subtopologies[Number(task.split('_')[0])]
    if (!subtopology) throw new StreamError('ILLEGAL_STATE', `task ${task} is not part of the topology`)
    return subtopology
  }

  #opened(): Environment {
    if (!this.#environment) throw new StreamError('ILLEGAL_STATE', 'the runtime is not open')
    return this.#environment
  }

  /** Where each partition goes on: at the committed offset, else at the first record. */
  async #positions(starts: readonly TaskStart[]): Promise<Map<string, StartFrom>> {
    const { broker, settings } = this.#options
    const partitions = starts.flatMap((start) => start.partitions)
    const committed = await broker.committed(settings.application, partitions)
    const ranges = new Map((await broker.offsets(partitions)).map((range) => [partitionKey(range), range]))
    const isNew = committed.some(({ offset }) => offset === undefined) && (await this.#isNew(starts))
    return new Map(
      committed.map((commit) => {
        const { earliest = 0, latest = 0 } = ranges.get(partitionKey(commit)) ?? {}
        const mark = commit.offset === undefined && isNew ? 'clean' : decodeMark(commit.metadata)
        const { offset = earliest } = commit
        if (offset >= earliest && offset <= latest) return [partitionKey(commit), { offset, mark }]
        return [partitionKey(commit), { offset: this.#reset(commit, earliest, latest), mark: 'open' }]
      }),
    )
  }

  /** Nothing was ever done by these tasks: neither the index nor a changelog holds anything. */
  async #isNew(starts: readonly TaskStart[]): Promise<boolean> {
    const { broker, settings } = this.#options
    const changelogs = starts.flatMap(({ id }) =>
      this.#subtopologyOf(id)
        .stores.filter((spec) => spec.changelog ?? true)
        .map((spec) => ({ topic: changelogTopic(settings.application, spec.name), partition: partitionOf(id) })),
    )
    const ranges = await broker.offsets(changelogs)
    return this.#opened().resources.indexesEmpty && ranges.every(({ latest }) => latest === 0)
  }

  #reset(
    { topic, partition, offset }: { topic: string; partition: number; offset: number | undefined },
    earliest: number,
    latest: number,
  ): number {
    const { offsetReset } = this.#options.settings
    if (offsetReset === 'earliest') return earliest
    if (offsetReset === 'latest') return latest
    throw new StreamError(
      'OFFSET_OUT_OF_RANGE',
      `the committed offset ${offset} of ${topic}-${partition} is not in the log, which has ${earliest} to ${latest}`,
      { details: { topic, partition, offset, earliest, latest } },
    )
  }
}

interface StartFrom {
  readonly offset: number
  readonly mark: RecoveryMark
}

/** An owner stops writing one request timeout before its session can end; there must be time left in which it may write. */
function requireShortRequests(topology: Topology, { sessionTimeoutMs }: RuntimeSettings): void {
  for (const subtopology of topology.subtopologies) {
    const requestTimeoutMs = requestTimeoutOf(topology, subtopology)
    if (requestTimeoutMs <= sessionTimeoutMs / 2) continue
    throw new StreamError(
      'CONFIG_INVALID',
      `a request to the index may take ${requestTimeoutMs} ms, more than half of sessionTimeoutMs, which is ${sessionTimeoutMs}`,
      { fix: 'Lower `requestTimeoutMs` of the index, or raise `sessionTimeoutMs`.' },
    )
  }
}

function partitionOf(task: TaskId): number {
  return Number(task.split('_')[1])
}
