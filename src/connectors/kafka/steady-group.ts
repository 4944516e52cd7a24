import type { Clock } from '../../clock.ts'
import { isCoordinatorGone, isUnknownTopic } from './errors.ts'
import type { ConsumerGroup } from './internals.ts'

/** Corrects what a consumer group does while brokers go and come back, so that its member survives it. */
export function keepSteady(group: ConsumerGroup, clock: Clock): void {
  keepNodeIds(group)
  followCoordinator(group)
  beatOnWhenTurnedBack(group, clock)
  handEveryBatch(group)
  noticeGoneTopic(group, clock)
}

/** While no broker can be reached KafkaJS forgets them all, and then crashes for having none; those that it knew may come back. */
function keepNodeIds(group: ConsumerGroup): void {
  const current = group.getNodeIds.bind(group)
  let known: readonly string[] = []
  group.getNodeIds = () => {
    const ids = current()
    if (ids.length > 0) known = ids
    return known
  }
}

/**
 * KafkaJS looks for the coordinator only when it joins: it sends heartbeats to a broker that is gone until the group removes the member,
 * and rejoins when the coordinator has moved. The new coordinator knows the members, and waits for them as long as the old one.
 */
function followCoordinator(group: ConsumerGroup): void {
  const heartbeat = group.heartbeat.bind(group)
  group.heartbeat = async (options) => {
    try {
      await heartbeat(options)
    } catch (error) {
      if (!isCoordinatorGone(error)) throw error
      // When there is none at the moment, the next heartbeat, which is due at once, asks again.
      await findCoordinator(group).catch(() => undefined)
    }
  }
}

/**
 * KafkaJS sends no heartbeat before the wall clock has come to the last one and an interval: after the clock was turned back by more than
 * a session the group would remove the member, which would not hear of it.
 */
function beatOnWhenTurnedBack(group: ConsumerGroup, clock: Clock): void {
  const heartbeat = group.heartbeat.bind(group)
  group.heartbeat = (options) => {
    if (group.lastRequest > clock.now()) group.lastRequest = 0
    return heartbeat(options)
  }
}

/**
 * KafkaJS keeps a batch to itself that holds control records alone, and moves the position past it. Handed on like any other it is
 * compared with the position first: it may answer what was asked before the member joined anew, or was told to go elsewhere.
 */
function handEveryBatch(group: ConsumerGroup): void {
  const fetch = group.fetch.bind(group)
  group.fetch = async (nodeId) => {
    const batches = await fetch(nodeId)
    for (const batch of batches) if (batch.isEmptyDueToFiltering()) batch.isEmpty = () => false
    return batches
  }
}

/** For so long a broker that has only just started may not know a topic. */
const unknownTopicMs = 20_000

/** KafkaJS looks for a topic that was deleted for two minutes and more. */
function noticeGoneTopic(group: ConsumerGroup, clock: Clock): void {
  const fetch = group.fetch.bind(group)
  let unknownSince: number | undefined
  group.fetch = async (nodeId) => {
    try {
      const batches = await fetch(nodeId)
      unknownSince = undefined
      return batches
    } catch (error) {
      if (!isUnknownTopic(error) || !(error instanceof Error)) throw error
      unknownSince = Math.min(unknownSince ?? clock.now(), clock.now())
      throw clock.now() - unknownSince < unknownTopicMs ? error : Object.assign(error, { retriable: false })
    }
  }
}

/** The next heartbeat and the next commit go to the broker that coordinates the group now. */
export async function findCoordinator(group: ConsumerGroup): Promise<void> {
  const coordinator = await group.cluster.findGroupCoordinator({ groupId: group.groupId })
  group.coordinator = coordinator
  if (group.offsetManager) group.offsetManager.coordinator = coordinator
}
