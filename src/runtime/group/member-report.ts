import type { TaskId } from '../../topology/processor.ts'

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
  /** Where others can ask for what is in its stores: `http://10.0.0.7:9465`. Absent when they cannot. */
  readonly address?: string | undefined
}

/** An instance that answers queries, and what it has. */
export interface Host {
  readonly address: string
  readonly tasks: readonly TaskId[]
  readonly standbys: readonly TaskId[]
}

/** What the leader tells a member besides its partitions. */
export interface MemberOrders {
  /** The tasks to follow. */
  readonly standbys: readonly TaskId[]
  /** Members with an address, this one included. */
  readonly hosts: readonly Host[]
}

/** JSON that every version can read: fields may be added, and what is missing or strange counts as nothing. */
export function encodeReport({ tasks, positions, shape, address }: MemberReport): Uint8Array {
  return encode({ tasks, shape, address, ...(positions && { positions: Object.fromEntries(positions) }) })
}

/** A member of another version may say something else, and then owns nothing. */
export function decodeReport(data: Uint8Array): MemberReport {
  const found = decode(data)
  const tasks = tasksIn(found.tasks)
  const positions = found.positions
  const shape = typeof found.shape === 'string' ? found.shape : undefined
  const address = addressIn(found.address)
  if (!positions || typeof positions !== 'object') return { tasks, shape, address }
  const known = Object.entries(positions).flatMap(([id, position]) =>
    isTaskId(id) && Number.isSafeInteger(position) ? [[id, position as number] as const] : [],
  )
  return { tasks, shape, address, positions: new Map(known) }
}

/** Nothing when there is nothing to tell, which is all that older versions know. */
export function encodeOrders({ standbys, hosts }: MemberOrders): Uint8Array {
  if (standbys.length === 0 && hosts.length === 0) return new Uint8Array(0)
  return encode({ standbys, ...(hosts.length > 0 && { hosts }) })
}

/** A leader of another version may say less. */
export function decodeOrders(data: Uint8Array): MemberOrders {
  const { standbys, hosts } = decode(data)
  return { standbys: tasksIn(standbys), hosts: Array.isArray(hosts) ? hosts.flatMap(hostIn) : [] }
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value))
}

interface Decoded {
  readonly tasks?: unknown
  readonly positions?: unknown
  readonly shape?: unknown
  readonly address?: unknown
  readonly standbys?: unknown
  readonly hosts?: unknown
}

function decode(data: Uint8Array): Decoded {
  try {
    const parsed: unknown = JSON.parse(new TextDecoder().decode(data))
    return parsed && typeof parsed === 'object' ? { ...parsed } : {}
  } catch {
    return {}
  }
}

function hostIn(value: unknown): Host[] {
  if (!value || typeof value !== 'object') return []
  const found: { readonly address?: unknown; readonly tasks?: unknown; readonly standbys?: unknown } = value
  const address = addressIn(found.address)
  return address === undefined ? [] : [{ address, tasks: tasksIn(found.tasks), standbys: tasksIn(found.standbys) }]
}

function addressIn(value: unknown): string | undefined {
  return typeof value === 'string' && /^https?:$/.test(URL.parse(value)?.protocol ?? '') ? value : undefined
}

function tasksIn(value: unknown): TaskId[] {
  return Array.isArray(value) ? [...new Set(value.filter(isTaskId))] : []
}

function isTaskId(value: unknown): value is TaskId {
  return typeof value === 'string' && /^\d+_\d+$/.test(value)
}
