import { counted } from '../../counted.ts'
import { requireFitting } from '../../runtime/topics/topics.ts'
import { type Check, ok, problemOf, warning } from './check.ts'

/** The topics that the topology names, and how their partitions fit together. */
export const topics: Check<'topics'> = {
  name: 'topics',
  needs: ['topics'],
  async examine({ topics: { partitions, tasks, existing, repartition, deadLetter } }) {
    const count = [...tasks.values()].reduce((sum, each) => sum + each, 0)
    const absent = new Set(repartition.map(({ topic }) => topic).filter((topic) => !existing.has(topic)))
    const counts = [...partitions].filter(([topic]) => topic !== deadLetter.topic)
    const has = (topic: string) => (absent.has(topic) ? 'will be made with' : 'has')
    return [
      ok(
        `${counts.map(([topic, each]) => `"${topic}" ${has(topic)} ${counted(each, 'partition')}`).join(', ')}: ${counted(count, 'task')}`,
      ),
    ]
  },
}

/** Each changelog against the tasks that write it: all that are wrong. */
export const changelogs: Check<'topics'> = {
  name: 'changelogs',
  needs: ['topics'],
  async examine({ topics: { changelogs: planned, existing } }) {
    if (planned.length === 0) return []
    const problems = planned.flatMap((changelog) => {
      try {
        requireFitting(changelog, existing)
        return []
      } catch (error) {
        return [problemOf(error)]
      }
    })
    if (problems.length > 0) return problems
    const absent = planned.filter(({ spec }) => !existing.has(spec.topic)).length
    const unknown = planned.filter(({ spec }) => existing.has(spec.topic) && !existing.get(spec.topic)?.cleanup)
    if (unknown.length > 0)
      return [
        warning(
          `the cleanup.policy of ${unknown.map(({ spec }) => `"${spec.topic}"`).join(', ')} cannot be read`,
          'Allow DescribeConfigs on the topics of the application, to have it checked.',
        ),
      ]
    return [
      ok(
        absent === 0
          ? `${counted(planned.length, 'changelog')} ${planned.length === 1 ? 'fits' : 'fit'}`
          : `${absent} of ${planned.length} will be made`,
      ),
    ]
  },
}
