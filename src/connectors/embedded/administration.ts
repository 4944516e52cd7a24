import { StreamError } from '../../errors.ts'
import type { BrokerAdmin } from '../../runtime/broker.ts'
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
    missingRights: async () => [],
  }
}
