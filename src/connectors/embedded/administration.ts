import { StreamError } from '../../errors.ts'
import type { BrokerAdmin, StartPosition } from '../../runtime/broker.ts'
import type { Host } from './host.ts'

/** Everything is allowed to whoever may open the log. */
export function administration(host: () => Host): BrokerAdmin {
  return {
    describeGroup: async (group) => host().group(group).describe(),
    async deleteGroup(group) {
      const { members } = host().group(group).describe()
      if (members.length > 0)
        throw new StreamError('GROUP_ACTIVE', `group "${group}" has ${members.length} members`, { details: { group } })
      await host().log.deleteGroup(group)
    },
    async deleteTopics(names) {
      for (const name of names) await host().cleaner.pausing(() => host().log.deleteTopic(name))
    },
    async deleteRecords(before) {
      const { log, cleaner } = host()
      const [ranges, partitions] = [log.offsets(before), before.map((place) => log.catalog.partition(place))]
      for (const [at, place] of before.entries()) requireInside(place, ranges[at]?.latest ?? 0)
      for (const [at, partition] of partitions.entries()) await cleaner.removeBefore(partition, before[at]?.offset ?? 0)
    },
    missingRights: async () => [],
  }
}

function requireInside({ topic, partition, offset }: StartPosition, latest: number): void {
  if (offset <= latest) return
  const fact = `offset ${offset} of ${topic}-${partition} is above its end, ${latest}`
  throw new StreamError('OFFSET_OUT_OF_RANGE', fact, { details: { topic, partition, offset, latest } })
}
