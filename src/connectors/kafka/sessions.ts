import type { Clock } from '../../clock.ts'
import type { Cluster, Coordinator, SyncedGroup } from './internals.ts'

/** The requests that start the session of a member anew at the coordinator. KafkaJS sends them by these methods and no others. */
const renewing = ['joinGroup', 'syncGroup', 'heartbeat'] as const

export interface SessionListener {
  /** The coordinator has answered a join, a sync or a heartbeat without an error that was sent then. */
  renewed(sentAt: number): void
  /** The answer to a sync, before KafkaJS acts on it. */
  synced(answer: SyncedGroup): void
}

/**
 * Listens to what the coordinator answers.
 *
 * It looks at what goes to the coordinator, and not at `ConsumerGroup.heartbeat`: that one sends nothing within its interval, and lets
 * those wait for a heartbeat that is under way who ask later.
 */
export function watchSessions(cluster: Cluster, clock: Clock, listener: SessionListener): void {
  const watched = new WeakSet<Coordinator>()
  const find = cluster.findGroupCoordinator.bind(cluster)
  cluster.findGroupCoordinator = async (group) => {
    const coordinator = await find(group)
    if (!watched.has(coordinator)) watch(coordinator, clock, listener)
    watched.add(coordinator)
    return coordinator
  }
}

function watch(coordinator: Coordinator, clock: Clock, listener: SessionListener): void {
  const sync = coordinator.syncGroup.bind(coordinator)
  coordinator.syncGroup = async (payload) => {
    const answer = await sync(payload)
    listener.synced(answer)
    return answer
  }
  for (const request of renewing) {
    const send: (payload: object) => Promise<unknown> = coordinator[request].bind(coordinator)
    const timed = async (payload: object) => {
      const sentAt = clock.now()
      const answer = await send(payload)
      listener.renewed(sentAt)
      return answer
    }
    Object.assign(coordinator, { [request]: timed })
  }
}
