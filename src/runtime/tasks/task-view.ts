import type { TaskState } from '../../state/task-state.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { Positions } from '../nodes/generation.ts'
import type { Progress } from '../nodes/progress.ts'
import type { TaskInputs } from './task-inputs.ts'

export type TaskPhase = 'restoring' | 'running' | 'suspended' | 'closed'

/** A task as it is now, to look at. */
export interface TaskView {
  readonly id: TaskId
  readonly phase: TaskPhase
  /** Fetched and not taken. */
  readonly queuedBytes: number
  /** Records that were taken and are not done. */
  readonly inFlight: number
  /** Generations that are not committed; the one that takes records counts. */
  readonly openGenerations: number
  /** Since when, on the clock, the oldest of what was taken waits for its commit; undefined when nothing does. */
  readonly uncommittedSince: number | undefined
  /** The largest timestamp of any record that was taken; -1 before the first. */
  readonly streamTime: number
  /** By partition key, the offset that was committed. */
  readonly committed: Positions
  readonly stores: readonly StoreView[]
  /** About how much each store on disk takes there. Looks at the disk. */
  readonly diskBytes: () => Promise<ReadonlyMap<string, number>>
}

/** A store of a task. */
export interface StoreView {
  readonly name: string
  /** Memory of what is not committed. */
  readonly heldBytes: number
  /** How often a key was asked for since the task was opened, by where the answer was. */
  readonly reads: { readonly overlay: number; readonly cache: number; readonly bytes: number }
}

export function taskView(parts: {
  readonly id: TaskId
  readonly phase: TaskPhase
  readonly inputs: TaskInputs
  readonly progress: Progress
  readonly state: TaskState
  readonly streamTime: number
}): TaskView {
  const { id, phase, inputs, progress, state, streamTime } = parts
  return {
    id,
    phase,
    queuedBytes: inputs.bytes,
    inFlight: progress.inFlight,
    openGenerations: progress.openGenerations,
    uncommittedSince: progress.uncommittedSince,
    streamTime,
    committed: progress.committed,
    stores: state.stats,
    diskBytes: () => state.diskBytes(),
  }
}
