import type { RuntimeView } from '../runtime/views.ts'

/** What a probe says, and why. */
export interface Verdict {
  readonly ok: boolean
  readonly reason: string
}

/**
 * Should the process go on? A restart helps a runtime that has failed, or whose loop is stuck; it does not help against a broker, an index
 * or an embedder that is down, and would begin a long restore anew.
 */
export function liveness({ state, busySince, now, processingDeadlineMs }: RuntimeView): Verdict {
  if (state === 'failed' || state === 'closed') return no(`the runtime is ${state}`)
  const busyMs = now - (busySince ?? now)
  if (busyMs >= processingDeadlineMs) return no(`the work loop has not come round for ${busyMs} ms`)
  return yes('the work loop comes round')
}

/**
 * Does the instance do its part? It is a member of its group, and no task of it is being restored. Without partitions it has nothing to
 * do, and is ready; a rebalance that brings it no new state leaves it ready.
 */
export function readiness({ state, isMember, tasks }: RuntimeView): Verdict {
  if (state !== 'running' && state !== 'rebalancing') return no(`the runtime is ${state}`)
  if (!isMember) return no('the instance is not a member of its group')
  const restoring = tasks.filter(({ phase }) => phase === 'restoring').map(({ id }) => id)
  if (restoring.length > 0) return no(`restoring ${restoring.slice(0, 5).join(', ')} (${restoring.length} tasks)`)
  return yes(tasks.length === 0 ? 'no partitions are assigned' : `${tasks.length} tasks`)
}

/** Is everything open that it starts with: topics, model, index, state? */
export function startup({ state }: RuntimeView): Verdict {
  if (state === 'created' || state === 'starting' || state === 'failed') return no(`the runtime is ${state}`)
  return yes('everything is open')
}

function yes(reason: string): Verdict {
  return { ok: true, reason }
}

function no(reason: string): Verdict {
  return { ok: false, reason }
}
