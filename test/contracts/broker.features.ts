import { describe } from 'vitest'
import { administrationFeatures } from './broker/administration.ts'
import { commitFeatures } from './broker/commits.ts'
import { deliveryFeatures } from './broker/delivery.ts'
import { type BrokerCapabilities, type BrokerTarget, useLog } from './broker/harness.ts'
import { isolationFeatures } from './broker/isolation.ts'
import { membershipFeatures } from './broker/membership.ts'
import { readingFeatures } from './broker/reading.ts'
import { recordFeatures } from './broker/records.ts'
import { topicFeatures } from './broker/topics.ts'
import { transactionFeatures } from './broker/transactions.ts'

export type { BrokerCapabilities, BrokerTarget } from './broker/harness.ts'

/**
 * What every Broker does. `createTarget` gives an open client for each test; the log behind it may be one for all of them, and may take
 * its time: nothing is expected at once, and offsets may have gaps where a broker keeps its markers.
 */
export function brokerFeatures(
  name: string,
  createTarget: () => Promise<BrokerTarget>,
  capabilities: BrokerCapabilities = {},
): void {
  describe(`${name} as a broker`, { timeout: 4 * (capabilities.waitMs ?? 15_000) }, () => {
    const log = useLog(createTarget, capabilities)

    topicFeatures(log)
    recordFeatures(log, capabilities)
    membershipFeatures(log)
    deliveryFeatures(log)
    commitFeatures(log)
    readingFeatures(log)
    transactionFeatures(log)
    isolationFeatures(log)
    administrationFeatures(log)
  })
}
