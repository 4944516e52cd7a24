import type { TaskId } from '../topology/processor.ts'
import type { Positions } from './generation.ts'
import type { Progress } from './progress.ts'
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
  /** By partition key, the offset that was committed. */
  readonly committed: Positions
}

export function taskView(parts: {
  readonly id: TaskId
  readonly phase: TaskPhase
  readonly inputs: TaskInputs
  readonly progress: Progress
}): TaskView {
  const { id, phase, inputs, progress } = parts
  return {
    id,
    phase,
    queuedBytes: inputs.bytes,
    inFlight: progress.inFlight,
    openGenerations: progress.openGenerations,
    uncommittedSince: progress.uncommittedSince,
    committed: progress.committed,
  }
}
