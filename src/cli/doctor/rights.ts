import type { WantedRights } from '../../runtime/broker.ts'
import { globalTopics, type Topology, topicName } from '../../topology/topology.ts'
import { type Check, type Given, ok, problemOf } from './check.ts'

/** What the user may do on the log, against what the application does there. */
export const rights: Check<'program' | 'log' | 'topics'> = {
  name: 'rights',
  needs: ['program', 'log', 'topics'],
  async examine({ program, log, topics }) {
    if (!log.admin) return []
    const wanted = wantedRights({ program, topics })
    const missing = await log.admin.missingRights(wanted)
    if (missing.length > 0)
      return missing.map(({ error, isNeeded }) => ({ ...problemOf(error), level: isNeeded ? 'problem' : 'warning' }))
    const { reads, writes, creates } = wanted
    return [ok(`may read ${reads.length}, write ${writes.length} and create ${creates.length} topics`)]
  },
}

function wantedRights({ program, topics }: Pick<Given, 'program' | 'topics'>): WantedRights {
  const { topology, settings } = program
  const { existing, repartition, changelogs, deadLetter } = topics
  const own = [...repartition, ...changelogs.map(({ spec }) => spec), deadLetter]
  const kept = own.filter(({ topic }) => existing.has(topic)).map(({ topic }) => topic)
  const isThere = (topic: string) => !own.some((spec) => spec.topic === topic) || existing.has(topic)
  const transactional = settings.processingGuarantee === 'exactly_once'
  return {
    group: settings.application,
    reads: unique([
      ...topicsOf(topology, 'source', settings.application).filter(isThere),
      ...globalTopics(topology),
      ...kept,
    ]),
    writes: unique([...topicsOf(topology, 'sink', settings.application).filter(isThere), ...kept]),
    creates: own.filter(({ topic }) => !existing.has(topic)),
    ...(transactional && { transactionalId: `${settings.application}-0_0` }),
  }
}

function topicsOf({ nodes }: Topology, kind: 'source' | 'sink', application: string): string[] {
  return [...nodes.values()].flatMap((node) =>
    node.kind !== 'processor' && node.kind === kind ? (topicName(node, application) ?? []) : [],
  )
}

const unique = (names: readonly string[]) => [...new Set(names)]
