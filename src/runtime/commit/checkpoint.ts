import type { Clock } from '../../clock.ts'
import { StreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import { changelogRecord, changelogTopic, type StoreChange } from '../../state/changelog.ts'
import type { TaskState } from '../../state/task-state.ts'
import type { Lease, TaskId } from '../../topology/processor.ts'
import type { CommitOffset, Producer, ProducerRecord } from '../broker.ts'
import type { Generation } from '../nodes/generation.ts'
import type { RuntimeObserver } from '../observer.ts'
import { retrying } from '../retry.ts'
import { requireLease } from './group-lease.ts'

/** Where a test may crash the process: each point lies between two steps, or inside one. */
export type Failpoint = 'before-changelog' | 'inside-changelog' | 'before-offsets' | 'before-local-state' | 'committed'

export interface CheckpointOptions {
  readonly id: TaskId
  readonly observer: RuntimeObserver
  readonly application: string
  /** The partition of the changelog topics: that of the task. */
  readonly partition: number
  readonly state: TaskState
  readonly producer: Producer
  readonly commitOffsets: (offsets: readonly CommitOffset[]) => Promise<void>
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  readonly failpoint: (point: Failpoint) => Promise<void>
  /** A successor ends its restore one request timeout after it took over: nothing may be appended behind that. */
  readonly lease: Lease
  /** With exactly_once: C and O are one transaction, together with what the generation writes to topics. */
  readonly transactions?: GenerationTransactions | undefined
}

/** Makes changelogs, offsets and outputs of a generation visible in one step. */
export interface GenerationTransactions {
  /** Returns the offset of each changelog record. */
  commit(
    generation: number,
    changelogs: readonly ProducerRecord[],
    offsets: readonly CommitOffset[],
    signal: AbortSignal,
  ): Promise<readonly number[]>
}

const changelogBatch = 500

/**
 * Commits one complete generation. THE order, and nothing may change it:
 *
 *   1. S  every index write of the generation is acknowledged (the caller waited for it)
 *   2. C  the last value of every key is acknowledged by the changelogs
 *   3. O  the offsets are committed
 *   4. W  the local store takes it all in one batch
 *
 * With exactly_once 2 and 3 are one transaction, which also holds the outputs.
 *
 * So durable state may run ahead of the committed offset, never ahead of the index. See docs/guarantees.md. When the signal aborts, the
 * task is not ours any more, and nothing further is written to the broker.
 */
export async function commitGeneration(
  generation: Generation,
  offsets: readonly CommitOffset[],
  options: CheckpointOptions,
): Promise<void> {
  const { state, failpoint, signal } = options
  const sourceOffsets = encodeSourceOffsets(offsets)

  // 1. S
  if (!generation.complete)
    throw new StreamError('ILLEGAL_STATE', `generation ${generation.id} was committed before it was complete`)
  await failpoint('before-changelog')

  // 2. C
  signal.throwIfAborted()
  const changes = state.changes(generation.id)
  const records = changes.map((change) => addressed(change, sourceOffsets, options))
  const written = options.transactions
    ? await options.transactions.commit(generation.id, records, offsets, signal)
    : await writeChangelogs(records, options)
  tellWritten(changes, options)
  await failpoint('before-offsets')

  // 3. O
  signal.throwIfAborted()
  if (offsets.length > 0 && !options.transactions) {
    await retrying(() => options.commitOffsets(offsets), { ...options, what: 'committing offsets' })
  }
  await failpoint('before-local-state')

  // 4. W
  const positions = new Map([...positionsAfter(changes, written), ...positionsOfCopies(state, offsets)])
  await state.persist(generation.id, { positions, sourceOffsets })
  await failpoint('committed')
}

/** Returns the offset of each record. */
async function writeChangelogs(records: readonly ProducerRecord[], options: CheckpointOptions): Promise<number[]> {
  const written: number[] = []
  // Records may wait, and requests are repeated for a minute: by then the task may be closed, and its successor have written.
  const guard = () => {
    options.signal.throwIfAborted()
    requireLease(options.lease)
  }
  for (let start = 0; start < records.length; start += changelogBatch) {
    const batch = records.slice(start, start + changelogBatch)
    const sent = await retrying(() => options.producer.send(batch, guard), { ...options, what: 'writing a changelog' })
    written.push(...sent)
    await options.failpoint('inside-changelog')
  }
  return written
}

function tellWritten(changes: readonly StoreChange[], { id, observer }: CheckpointOptions): void {
  if (!observer.changelogWritten) return
  const byStore = Map.groupBy(changes, ({ store }) => store)
  for (const [store, own] of byStore) observer.changelogWritten(id, store, own.length)
}

function addressed(
  change: StoreChange,
  sourceOffsets: Uint8Array,
  { application, partition, clock }: CheckpointOptions,
): ProducerRecord {
  const topic = changelogTopic(application, change.store)
  return { ...changelogRecord(change, sourceOffsets), topic, partition, timestamp: change.timestamp ?? clock.now() }
}

/** Per store, the offset after its last changelog record. */
function positionsAfter(changes: readonly StoreChange[], written: readonly number[]): Map<string, number> {
  const positions = new Map<string, number>()
  for (const [index, { store }] of changes.entries()) {
    positions.set(store, Math.max(positions.get(store) ?? 0, (written[index] ?? 0) + 1))
  }
  return positions
}

/** A store that copies a topic is as far in it as the offsets say. */
function positionsOfCopies({ copies }: TaskState, offsets: readonly CommitOffset[]): Map<string, number> {
  return new Map(
    [...copies].flatMap(([store, copied]) =>
      offsets.filter(({ topic }) => topic === copied).map(({ offset }) => [store, offset] as const),
    ),
  )
}

/** `topic partition offset` lines: readable in any Kafka tool. */
function encodeSourceOffsets(offsets: readonly CommitOffset[]): Uint8Array {
  const lines = offsets.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`)
  return new TextEncoder().encode(lines.join('\n'))
}
