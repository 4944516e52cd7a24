import type { TaskId } from '../topology/processor.ts'
import type { Topology } from '../topology/topology.ts'
import { topicName } from '../topology/topology.ts'
import type { Assignor, AssignorMember, TopicPartition } from './broker.ts'

/** Topics of each sub-topology, as they are called on the broker. */
export function topicsBySubtopology(topology: Topology, application: string): Map<number, string[]> {
  return new Map(
    topology.subtopologies.map((part) => [
      part.id,
      part.nodes.flatMap((name) => {
        const node = topology.nodes.get(name)
        return node?.kind === 'source' ? (topicName(node, application) ?? []) : []
      }),
    ]),
  )
}

/**
 * Assigns whole tasks, so that equal partitions of the topics of a sub-topology meet in one instance: first to whom had them before,
 * then to whom has the fewest. Loads differ by one task at most.
 *
 * @param owned the tasks that this instance has now
 */
export function stickyAssignor(
  topics: ReadonlyMap<number, readonly string[]>,
  owned: () => readonly TaskId[],
): Assignor {
  return {
    name: 'millrace-sticky-1',
    memberData: () => new TextEncoder().encode(JSON.stringify({ tasks: owned() })),
    assign(members, descriptions) {
      const partitions = new Map(descriptions.map(({ topic, partitions }) => [topic, partitions]))
      const tasks = tasksOf(topics, partitions)
      const owners = assignTasks([...tasks.keys()], members)
      const partitionsOf = (ids: readonly TaskId[]) => ids.flatMap((id) => tasks.get(id) ?? [])
      return new Map([...owners].map(([member, ids]) => [member, { partitions: partitionsOf(ids) }]))
    },
  }
}

/** Every task with its partitions. */
function tasksOf(
  topics: ReadonlyMap<number, readonly string[]>,
  partitions: ReadonlyMap<string, number>,
): Map<TaskId, TopicPartition[]> {
  const tasks = new Map<TaskId, TopicPartition[]>()
  for (const [subtopology, names] of topics) {
    const count = Math.max(0, ...names.map((topic) => partitions.get(topic) ?? 0))
    for (let partition = 0; partition < count; partition++) {
      const existing = names.filter((topic) => partition < (partitions.get(topic) ?? 0))
      tasks.set(
        `${subtopology}_${partition}`,
        existing.map((topic) => ({ topic, partition })),
      )
    }
  }
  return tasks
}

/** Keeps previous owners up to a fair share; the larger shares go to those who had the most. */
export function assignTasks(tasks: readonly TaskId[], members: readonly AssignorMember[]): Map<string, TaskId[]> {
  const free = new Set(tasks)
  const claims = members
    .map(({ memberId, data }) => ({ memberId, tasks: previousTasks(data).filter((task) => free.has(task)) }))
    .sort((a, b) => b.tasks.length - a.tasks.length || (a.memberId < b.memberId ? -1 : 1))
  const share = Math.floor(tasks.length / Math.max(1, members.length))
  const larger = tasks.length - share * members.length
  const owners = claims.map((claim, index) => {
    const kept = claim.tasks.filter((task) => free.has(task)).slice(0, share + (index < larger ? 1 : 0))
    for (const task of kept) free.delete(task)
    return { memberId: claim.memberId, tasks: kept }
  })
  for (const task of free) {
    const least = owners.reduce((a, b) => (b.tasks.length < a.tasks.length ? b : a))
    least.tasks.push(task)
  }
  return new Map(owners.map(({ memberId, tasks: own }) => [memberId, own]))
}

/** What a member said it owns; a member of another version may say something else, and then owns nothing. */
function previousTasks(data: Uint8Array): TaskId[] {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(data))
    const tasks = parsed && typeof parsed === 'object' && 'tasks' in parsed ? parsed.tasks : []
    return Array.isArray(tasks) ? [...new Set(tasks.filter(isTaskId))] : []
  } catch {
    return []
  }
}

function isTaskId(value: unknown): value is TaskId {
  return typeof value === 'string' && /^\d+_\d+$/.test(value)
}
