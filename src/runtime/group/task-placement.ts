import type { TaskId } from '../../topology/processor.ts'
import type { MemberReport } from './member-report.ts'

/** A member with what it reported. */
export interface Candidate extends MemberReport {
  readonly memberId: string
}

/** Tasks by member id. */
export type Placement = Map<string, TaskId[]>

/** Places for so many things, dealt so that loads differ by one at most: `larger` members may have one more than the others. */
class FairShare {
  readonly #share: number
  #larger: number
  readonly #loads = new Map<string, TaskId[]>()

  constructor(count: number, members: readonly Candidate[]) {
    this.#share = Math.floor(count / Math.max(1, members.length))
    this.#larger = count - this.#share * members.length
    for (const { memberId } of members) this.#loads.set(memberId, [])
  }

  get placement(): Placement {
    return this.#loads
  }

  load({ memberId }: Candidate): number {
    return this.#of(memberId).length
  }

  has({ memberId }: Candidate, task: TaskId): boolean {
    return this.#of(memberId).includes(task)
  }

  /** How many more the member may get. */
  room(member: Candidate): number {
    return Math.max(0, this.#share + (this.#larger > 0 ? 1 : 0) - this.load(member))
  }

  put({ memberId }: Candidate, task: TaskId): void {
    const own = this.#of(memberId)
    own.push(task)
    if (own.length === this.#share + 1) this.#larger--
  }

  #of(memberId: string): TaskId[] {
    return this.#loads.get(memberId) ?? []
  }
}

/**
 * One owner for each task: who had it, up to a fair share; then, of those that have room, who has come furthest in its changelogs; then
 * who has the fewest. Who must give up tasks gives up as many of each sub-topology, of each those first that somebody with room knows best. The
 * larger shares go to those who had the most.
 */
export function placeTasks(tasks: readonly TaskId[], members: readonly Candidate[]): Placement {
  const free = new Set(tasks)
  const shares = new FairShare(tasks.length, members)
  const claims = members
    .map((member) => ({ member, tasks: member.tasks.filter((task) => free.has(task)) }))
    .sort((a, b) => b.tasks.length - a.tasks.length || (a.member.memberId < b.member.memberId ? -1 : 1))
  const fewest = Math.floor(tasks.length / Math.max(1, members.length))
  const receivers = claims.filter((claim) => claim.tasks.length < fewest).map(({ member }) => member)
  for (const { member, tasks: claimed } of claims) {
    const kept = mostOwn(claimed, shares.room(member), receivers)
    for (const task of claimed.filter((task) => kept.has(task) && free.delete(task))) shares.put(member, task)
  }
  const candidates = claims.map(({ member }) => member)
  for (const task of free) {
    const heir = furthest(task, candidates, (member) => shares.room(member) > 0)
    if (!heir) continue
    shares.put(heir, task)
    free.delete(task)
  }
  for (const task of free) {
    const least = leastLoaded(candidates, shares)
    if (least) shares.put(least, task)
  }
  return shares.placement
}

/**
 * So many copies of each task, on members that do not own it and can keep one: those first that have come furthest in its changelogs, up
 * to a fair share. Where there are fewer members than copies, each has one.
 */
export function placeStandbys(
  tasks: readonly TaskId[],
  replicas: number,
  { owners, members }: { readonly owners: Placement; readonly members: readonly Candidate[] },
): Placement {
  const able = members.filter(({ positions }) => positions)
  const copies = Math.max(0, Math.min(replicas, able.length - 1))
  const shares = new FairShare(tasks.length * copies, able)
  for (let copy = 0; copy < copies; copy++) {
    for (const task of tasks) {
      const others = able.filter((member) => !owners.get(member.memberId)?.includes(task) && !shares.has(member, task))
      const keeper = furthest(task, others, (member) => shares.room(member) > 0) ?? leastLoaded(others, shares)
      if (keeper) shares.put(keeper, task)
    }
  }
  while (moveOne(shares.placement, owners));
  return shares.placement
}

/** Nobody keeps what it owns, which may leave the last ones nothing but the most loaded members: those give some of it on. */
function moveOne(standbys: Placement, owners: Placement): boolean {
  const byLoad = [...standbys].sort(([, a], [, b]) => a.length - b.length)
  for (const [, most] of byLoad.toReversed()) {
    for (const [memberId, least] of byLoad) {
      if (most.length - least.length < 2) break
      const movable = most.findLastIndex((id) => !least.includes(id) && !owners.get(memberId)?.includes(id))
      if (movable < 0) continue
      least.push(...most.splice(movable, 1))
      return true
    }
  }
  return false
}

/** So many of the claimed tasks: in turn one of each sub-topology, so that receivers share the work on all topics, and of each those that they know least. */
function mostOwn(claimed: readonly TaskId[], room: number, receivers: readonly Candidate[]): ReadonlySet<TaskId> {
  const known = (task: TaskId) => Math.max(-1, ...receivers.map((member) => member.positions?.get(task) ?? -1))
  const parts = Map.groupBy(
    claimed.toSorted((a, b) => known(a) - known(b)),
    (task) => task.split('_')[0],
  )
  const turns = [...parts.values()].flatMap((tasks) => tasks.map((task, turn) => ({ task, turn })))
  const inTurn = turns.sort((a, b) => a.turn - b.turn || known(a.task) - known(b.task))
  return new Set(inTurn.slice(0, room).map(({ task }) => task))
}

/** Who has come furthest, of those that hold anything of the task. */
function furthest(
  task: TaskId,
  members: readonly Candidate[],
  hasRoom: (member: Candidate) => boolean,
): Candidate | undefined {
  let best: Candidate | undefined
  for (const member of members) {
    const position = member.positions?.get(task)
    if (position === undefined || !hasRoom(member)) continue
    if (!best || position > (best.positions?.get(task) ?? 0)) best = member
  }
  return best
}

function leastLoaded(members: readonly Candidate[], shares: FairShare): Candidate | undefined {
  const [first, ...rest] = members
  if (!first) return undefined
  return rest.reduce((least, member) => (shares.load(member) < shares.load(least) ? member : least), first)
}
