import type { Clock } from '../../clock.ts'
import type { RuntimeSettings } from '../../config.ts'
import type { StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { StateStore } from '../../state/store.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { Lease, TaskId } from '../../topology/processor.ts'
import type { Subtopology, Topology } from '../../topology/topology.ts'
import type { CommitOffset, Producer, TopicPartition } from '../broker.ts'
import type { Failpoint } from '../commit/checkpoint.ts'
import type { ExactlyOnce } from '../commit/exactly-once.ts'
import type { DeadLetters } from '../dead-letters/dead-letters.ts'
import type { CacheBudget } from '../nodes/held-results.ts'
import type { RecordWriter } from '../nodes/running-nodes.ts'
import type { RuntimeObserver } from '../observer.ts'
import type { Tracer } from '../tracer.ts'
import type { TaskPartition } from './task-inputs.ts'

/** What a task is made of and works with. */
export interface TaskOptions {
  readonly id: TaskId
  readonly partition: number
  readonly topology: Topology
  readonly subtopology: Subtopology
  readonly partitions: readonly TaskPartition[]
  readonly settings: RuntimeSettings
  readonly state: TaskState
  /** The rows of a global table; undefined when there is none of that name. */
  readonly globalStore: (name: string) => StateStore | undefined
  /** For the changelogs. */
  readonly producer: Producer
  readonly deadLetters: DeadLetters
  readonly lease: Lease
  /** Shared by all tasks of the instance. */
  readonly cacheBudget: CacheBudget
  /** With exactly_once. */
  readonly exactlyOnce: ExactlyOnce | undefined
  readonly clock: Clock
  readonly logger: Logger
  readonly observer: RuntimeObserver
  readonly tracer: Tracer | undefined
  readonly pipelineOf: (node: string) => string
  readonly writerOf: (sinkNode: string) => RecordWriter
  /** Inside the recovery window until the position has once equalled the log end. */
  readonly recovering: boolean
  /** When, on the clock, nothing that a predecessor has sent to the index can be on its way any more. */
  readonly leaseEndsAt: number
  /** Goes into the marks, where a sink of the task is fenced. */
  readonly epoch: number | undefined
  readonly commitOffsets: (offsets: readonly CommitOffset[]) => Promise<void>
  readonly pause: (partition: TopicPartition) => void
  readonly resume: (partition: TopicPartition) => void
  /** There may be something to do. */
  readonly wake: () => void
  readonly fail: (error: StreamError) => void
  readonly failpoint: (point: Failpoint) => Promise<void>
}
