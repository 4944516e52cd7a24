import { counted } from '../../counted.ts'
import type { MemberDescription } from '../../runtime/broker.ts'
import { assignorName, topicsBySubtopology } from '../../runtime/group/assignor.ts'
import { abandonedTopics } from '../../runtime/topics/abandoned-topics.ts'
import { type Check, ok, problem, warning } from './check.ts'

/** Who is in the group of the application now. */
export const group: Check<'program' | 'log'> = {
  name: 'group',
  needs: ['program', 'log'],
  async examine({ program: { topology, settings }, log }) {
    if (!log.admin) return []
    const name = settings.application
    const { members, assignor = assignorName } = await log.admin.describeGroup(name)
    if (assignor !== assignorName)
      return [
        problem(
          `group "${name}" uses assignor "${assignor}": other programs are in it (${hostsOf(members)})`,
          'Choose an `application` that no consumer has for its group.',
        ),
      ]
    const own = new Set([...topicsBySubtopology(topology, name).values()].flat())
    const strangers = members.filter(({ topics = [...own] }) => own.symmetricDifference(new Set(topics)).size > 0)
    if (strangers.length > 0)
      return [
        problem(
          `${strangers.length} of ${members.length} members of group "${name}" read other topics than this topology (${hostsOf(strangers)})`,
          'Give each topology an `application` of its own; after an upgrade stop the instances of the old version.',
        ),
      ]
    if (members.length === 0) return [ok('no instance runs')]
    const run = members.length === 1 ? 'runs' : 'run'
    return [ok(`${counted(members.length, 'instance')} ${run} (${hostsOf(members)})`)]
  },
}

/** What another topology has left behind in the group, or an earlier version of this one. */
export const history: Check<'program' | 'log'> = {
  name: 'history',
  needs: ['program', 'log'],
  async examine({ program: { topology, settings }, log }) {
    const topics = await abandonedTopics({ topology, settings, broker: log })
    if (topics.length === 0) return [ok('the group has committed nothing but what this topology reads')]
    return [
      warning(
        `application "${settings.application}" has committed offsets of topics that this topology does not read: ${topics.join(', ')}`,
        'Give another topology an `application` of its own; where a source was taken out for good, delete its offsets in the group.',
      ),
    ]
  },
}

const hostsOf = (members: readonly MemberDescription[]) => [...new Set(members.map(({ host }) => host))].join(', ')
