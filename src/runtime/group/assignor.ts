import { StreamError } from '../../errors.ts'
import type { TaskId } from '../../topology/processor.ts'
import type { Topology } from '../../topology/topology.ts'
import { topicName } from '../../topology/topology.ts'
import type { Assignor, AssignorMember, TopicPartition } from '../broker.ts'
import { restorableStores } from '../tasks/task-states.ts'
import { decodeReport, encodeOrders, encodeReport, type Host, type MemberReport } from './member-report.ts'
import { type Candidate, placeStandbys, placeTasks } from './task-placement.ts'

/** Members can share a group only when they use the same one. */
export const assignorName = 'millrace-sticky-1'

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

/** Says which task a partition belongs to. Throws ILLEGAL_STATE for a topic that nobody reads. */
export function taskFinder(topics: ReadonlyMap<number, readonly string[]>): (partition: TopicPartition) => TaskId {
  const readers = new Map([...topics].flatMap(([id, names]) => names.map((topic) => [topic, id] as const)))
  return ({ topic, partition }) => {
    const subtopology = readers.get(topic)
    if (subtopology === undefined)
      throw new StreamError('ILLEGAL_STATE', `the group assigned topic "${topic}", which nobody reads`)
    return `${subtopology}_${partition}`
  }
}

/** The sub-topologies whose tasks have stores that a standby could keep. */
export function restorableSubtopologies(topology: Topology): Set<number> {
  const parts = topology.subtopologies.filter(({ stores }) => restorableStores(stores).length > 0)
  return new Set(parts.map(({ id }) => id))
}

/** What to tell of members that run another topology. */
export const otherTopology =
  'instances of this application read other topics, and get nothing to do while this one decides: give each topology an application of ' +
  'its own; after an upgrade stop the instances of the old version'

export interface StickyAssignorOptions {
  /** Of each sub-topology, as they are called on the broker. */
  readonly topics: ReadonlyMap<number, readonly string[]>
  /** What this instance has now. */
  readonly report: () => MemberReport
  /** Copies of the stores of each task beside its owner's. Default 0. */
  readonly standbyReplicas?: number
  /** The sub-topologies that may have standbys. Default: none. */
  readonly restorable?: ReadonlySet<number>
  /** Called on the leader with the members that run another topology. */
  readonly foreign?: (members: readonly string[]) => void
  /** Called on the leader when the group is too large for all to be told where each answers. */
  readonly tooManyHosts?: () => void
}

/** For all members together: the log keeps what they are told in one record, of a mebibyte at most. */
const maxHostBytes = 512 * 1024

/**
 * Assigns whole tasks, so that equal partitions of the topics of a sub-topology meet in one instance: first to whom had them before, then
 * to whom has most of their state, then to whom has the fewest. Loads differ by one task at most. Standbys go to the others. All are told what
 * those have that say at which address they can be asked.
 *
 * A member whose sub-topologies read other topics gets nothing: what it would make of a partition is something else. So one topology works
 * at a time, the leader's, also while an upgrade replaces it.
 *
 * Members of older versions use the same name: what they do not report they are not asked for. See docs/design/0002-standby-tasks.md.
 */
export function stickyAssignor(options: StickyAssignorOptions): Assignor {
  const { topics, report, standbyReplicas = 0, restorable = new Set() } = options
  const { foreign = () => undefined, tooManyHosts = () => undefined } = options
  const shape = JSON.stringify([...topics])
  return {
    name: assignorName,
    memberData: () => encodeReport({ ...report(), shape }),
    assign(reporting, descriptions) {
      const partitions = new Map(descriptions.map(({ topic, partitions }) => [topic, partitions]))
      const tasks = tasksOf(topics, partitions)
      const isForeign = ({ shape: other = shape }: MemberReport) => other !== shape
      const all = reporting.map((member) => ({ memberId: member.memberId, ...decodeReport(member.data) }))
      const members = all.filter((member) => !isForeign(member))
      if (members.length < all.length) foreign(all.filter(isForeign).map(({ memberId }) => memberId))
      const owners = placeTasks([...tasks.keys()], members)
      const kept = [...tasks.keys()].filter((task) => restorable.has(Number(task.split('_')[0])))
      const standbys = placeStandbys(kept, standbyReplicas, { owners, members })
      const known = members.flatMap(({ memberId: id, address }): Host[] =>
        address === undefined ? [] : [{ address, tasks: owners.get(id) ?? [], standbys: standbys.get(id) ?? [] }],
      )
      const isTooMuch = encodeOrders({ standbys: [], hosts: known }).length * members.length > maxHostBytes
      if (isTooMuch) tooManyHosts()
      const hosts = isTooMuch ? [] : known
      const partitionsOf = (ids: readonly TaskId[]) => ids.flatMap((id) => tasks.get(id) ?? [])
      return new Map(
        [...owners].map(([member, ids]) => {
          const data = encodeOrders({ standbys: standbys.get(member) ?? [], hosts })
          return [member, { partitions: partitionsOf(ids), data }]
        }),
      )
    },
  }
}

/** The owner of each task, from what the members reported. */
export function assignTasks(tasks: readonly TaskId[], members: readonly AssignorMember[]): Map<string, TaskId[]> {
  return placeTasks(tasks, members.map(candidateOf))
}

function candidateOf({ memberId, data }: AssignorMember): Candidate {
  return { memberId, ...decodeReport(data) }
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
