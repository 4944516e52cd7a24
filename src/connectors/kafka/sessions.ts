import type { Clock } from '../../clock.ts'
import type { Cluster, Coordinator } from './internals.ts'

/** The requests that start the session of a member anew at the coordinator. KafkaJS sends them by these methods and no others. */
const renewing = ['joinGroup', 'syncGroup', 'heartbeat'] as const

/**
 * Tells of every join, sync and heartbeat that the coordinator has answered without an error when it was sent.
 *
 * It looks at what goes to the coordinator, and not at `ConsumerGroup.heartbeat`: that one sends nothing within its interval, and lets
 * those wait for a heartbeat that is under way who ask later.
 */
export function watchSessions(cluster: Cluster, clock: Clock, onRenewed: (sentAt: number) => void): void {
  const watched = new WeakSet<Coordinator>()
  const find = cluster.findGroupCoordinator.bind(cluster)
  cluster.findGroupCoordinator = async (group) => {
    const coordinator = await find(group)
    if (!watched.has(coordinator)) watch(coordinator, clock, onRenewed)
    watched.add(coordinator)
    return coordinator
  }
}

function watch(coordinator: Coordinator, clock: Clock, onRenewed: (sentAt: number) => void): void {
  for (const request of renewing) {
    const send = coordinator[request].bind(coordinator)
    coordinator[request] = async (payload) => {
      const sentAt = clock.now()
      const answer = await send(payload)
      onRenewed(sentAt)
      return answer
    }
  }
}
