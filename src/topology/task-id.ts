import { StreamError } from '../errors.ts'
import type { TaskId } from './processor.ts'
import type { Subtopology, Topology } from './topology.ts'

/** The sub-topology that a task runs. */
export function subtopologyOf(topology: Topology, task: TaskId): Subtopology {
  const subtopology = topology.subtopologies[Number(task.split('_')[0])]
  if (!subtopology) throw new StreamError('ILLEGAL_STATE', `task ${task} is not part of the topology`)
  return subtopology
}

/** The partition of all topics, changelogs included, that a task works on. */
export function partitionOf(task: TaskId): number {
  return Number(task.split('_')[1])
}
