import type { RuntimeSettings } from '../../config.ts'
import { counted } from '../../counted.ts'
import { StreamError } from '../../errors.ts'
import { findStateDirectory, removeStateDirectory } from '../../state/state-directory.ts'
import type { Topology } from '../../topology/topology.ts'
import type { Broker, MemberDescription } from '../broker.ts'
import { adminOf } from './broker-admin.ts'
import { internalTopics } from './topics.ts'

export interface ResetOptions {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  /** Open. */
  readonly broker: Broker
}

/** What an application has left behind: all of it is gone after a reset. */
export interface ResetPlan {
  readonly application: string
  /** Topics of which the group has committed offsets. */
  readonly committed: readonly string[]
  /** Changelogs and repartition topics that are there. */
  readonly topics: readonly string[]
  /** Of this machine; undefined when there is none. */
  readonly stateFolder: string | undefined
  /** Who is in the group now: while there is anybody, nothing is deleted. */
  readonly members: readonly MemberDescription[]
}

/** Finds out what a reset would delete. Writes nothing. */
export async function planReset({ topology, settings, broker }: ResetOptions): Promise<ResetPlan> {
  const { application, stateDirectory } = settings
  const [{ members }, committed, existing, stateFolder] = await Promise.all([
    adminOf(broker).describeGroup(application),
    broker.committedTopics(application),
    broker.topics(internalTopics(topology, settings)),
    findStateDirectory(stateDirectory, application),
  ])
  return { application, committed: [...committed].sort(), topics: [...existing.keys()].sort(), stateFolder, members }
}

/** Throws GROUP_ACTIVE with the hosts of the members when somebody works in the group. */
export function requireIdle({ application, members }: ResetPlan): void {
  if (members.length === 0) return
  const hosts = [...new Set(members.map(({ host }) => host))].join(', ')
  const fact = `group "${application}" has ${counted(members.length, 'member')} (${hosts}), so nothing was deleted`
  throw new StreamError('GROUP_ACTIVE', fact, { details: { group: application, hosts } })
}

/**
 * Forgets everything that an application knows, so that it begins anew: its offsets, its stores on this machine, its internal topics. The
 * topics that it reads, dead letters and indexes stay as they are.
 *
 * The order makes every part of it safe to end with: state may run ahead of the committed offset, never behind it. Running it again does
 * what is left. Throws GROUP_ACTIVE, STATE_LOCKED, BROKER_DENIED.
 */
export async function resetApplication(plan: ResetPlan, { settings, broker }: ResetOptions): Promise<void> {
  requireIdle(plan)
  const admin = adminOf(broker)
  // 1. Without offsets everything is read again, whatever else is there.
  await admin.deleteGroup(plan.application)
  // 2. Local stores before their changelogs: a store that is further than its changelog would be taken for one of another.
  await removeStateDirectory(settings.stateDirectory, plan.application)
  // 3. What the stores could be restored from, and what was on its way between sub-topologies.
  await admin.deleteTopics(plan.topics)
}
