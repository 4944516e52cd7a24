import type { Clock } from '../clock.ts'
import { StreamError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { changelogRecord, changelogTopic, type StoreChange } from '../state/changelog.ts'
import type { TaskState } from '../state/task-state.ts'
import type { CommitOffset, Producer } from './broker.ts'
import type { Generation } from './generation.ts'
import { retrying } from './retry.ts'

/** Where a test may crash the process: each point lies between two steps, or inside one. */
export type Failpoint = 'before-changelog' | 'inside-changelog' | 'before-offsets' | 'before-local-state' | 'committed'

export interface CheckpointOptions {
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
  const positions = await writeChangelogs(state.changes(generation.id), sourceOffsets, options)
  await failpoint('before-offsets')

  // 3. O
  signal.throwIfAborted()
  if (offsets.length > 0) {
    await retrying(() => options.commitOffsets(offsets), { ...options, what: 'committing offsets' })
  }
  await failpoint('before-local-state')

  // 4. W
  await state.persist(generation.id, { positions, sourceOffsets })
  await failpoint('committed')
}

/** Returns, per store, the offset after its last changelog record. */
async function writeChangelogs(
  changes: readonly StoreChange[],
  sourceOffsets: Uint8Array,
  options: CheckpointOptions,
): Promise<Map<string, number>> {
  const positions = new Map<string, number>()
  const timestamp = options.clock.now()
  for (let start = 0; start < changes.length; start += changelogBatch) {
    const batch = changes.slice(start, start + changelogBatch)
    const records = batch.map((change) => ({
      ...changelogRecord(change, sourceOffsets),
      topic: changelogTopic(options.application, change.store),
      partition: options.partition,
      timestamp,
    }))
    const written = await retrying(() => options.producer.send(records), { ...options, what: 'writing a changelog' })
    for (const [index, change] of batch.entries()) {
      const next = (written[index] ?? 0) + 1
      positions.set(change.store, Math.max(positions.get(change.store) ?? 0, next))
    }
    await options.failpoint('inside-changelog')
  }
  return positions
}

/** `topic partition offset` lines: readable in any Kafka tool. */
function encodeSourceOffsets(offsets: readonly CommitOffset[]): Uint8Array {
  const lines = offsets.map(({ topic, partition, offset }) => `${topic} ${partition} ${offset}`)
  return new TextEncoder().encode(lines.join('\n'))
}
