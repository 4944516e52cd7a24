import type { RuntimeSettings } from '../../config.ts'
import type { Logger } from '../../logger.ts'
import type { Topology } from '../../topology/topology.ts'
import type { GroupOptions } from '../broker.ts'
import { otherTopology, restorableSubtopologies, stickyAssignor, topicsBySubtopology } from './assignor.ts'
import type { MemberReport } from './member-report.ts'

export interface GroupOptionsParts {
  readonly topology: Topology
  readonly settings: RuntimeSettings
  readonly logger: Logger
  /** What this member tells the leader before every join. */
  readonly report: () => MemberReport
  readonly signal: AbortSignal
}

const tooManyHosts =
  'the group is too large for all instances to be told where each answers queries: each answers for its own stores only'

/** How an instance of the topology joins the group of its application. */
export function groupOptions({ topology, settings, logger, report, signal }: GroupOptionsParts): GroupOptions {
  const topics = topicsBySubtopology(topology, settings.application)
  return {
    group: settings.application,
    topics: [...topics.values()].flat(),
    assignor: stickyAssignor({
      topics,
      report,
      standbyReplicas: settings.numStandbyReplicas,
      restorable: restorableSubtopologies(topology),
      foreign: (members) => logger.warn({ members }, otherTopology),
      tooManyHosts: () => logger.warn({}, tooManyHosts),
    }),
    sessionTimeoutMs: settings.sessionTimeoutMs,
    rebalanceTimeoutMs: settings.rebalanceTimeoutMs,
    signal,
  }
}
