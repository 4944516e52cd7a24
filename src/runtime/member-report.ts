import type { TaskId } from '../topology/processor.ts'

/** What a member tells the leader about itself before every join. */
export interface MemberReport {
  /** What it owns. */
  readonly tasks: readonly TaskId[]
  /**
   * How far it has come in the changelogs of each task that it holds anything of. Absent when it cannot keep standbys: its stores are in
   * memory, or its version does not know of them.
   */
  readonly positions?: ReadonlyMap<TaskId, number> | undefined
  /** Which topics its sub-topologies read, to be compared. Absent when its version does not say. */
  readonly shape?: string | undefined
}

/** JSON that every version can read: fields may be added, and what is missing or strange counts as nothing. */
export function encodeReport({ tasks, positions, shape }: MemberReport): Uint8Array {
  return encode({ tasks, shape, ...(positions && { positions: Object.fromEntries(positions) }) })
}

/** A member of another version may say something else, and then owns nothing. */
export function decodeReport(data: Uint8Array): MemberReport {
  const found = decode(data)
  const tasks = tasksIn(found.tasks)
  const positions = found.positions
  const shape = typeof found.shape === 'string' ? found.shape : undefined
  if (!positions || typeof positions !== 'object') return { tasks, shape }
  const known = Object.entries(positions).flatMap(([id, position]) =>
    isTaskId(id) && Number.isSafeInteger(position) ? [[id, position as number] as const] : [],
  )
  return { tasks, shape, positions: new Map(known) }
}

/** What the leader tells a member besides its partitions; nothing when it has no standbys, which is all that older versions know. */
export function encodeStandbys(standbys: readonly TaskId[]): Uint8Array {
  return standbys.length === 0 ? new Uint8Array(0) : encode({ standbys })
}

/** The tasks to follow. */
export function decodeStandbys(data: Uint8Array): TaskId[] {
  return tasksIn(decode(data).standbys)
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

interface Decoded {
  readonly tasks?: unknown
  readonly positions?: unknown
  readonly shape?: unknown
  readonly standbys?: unknown
}

function decode(data: Uint8Array): Decoded {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(data))
    return parsed && typeof parsed === 'object' ? { ...parsed } : {}
  } catch {
    return {}
  }
}

function tasksIn(value: unknown): TaskId[] {
  return Array.isArray(value) ? [...new Set(value.filter(isTaskId))] : []
}

function isTaskId(value: unknown): value is TaskId {
  return typeof value === 'string' && /^\d+_\d+$/.test(value)
}
