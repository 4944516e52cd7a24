import type { Cluster } from './internals.ts'

/**
 * Ends what KafkaJS would otherwise repeat for minutes, and keep the process alive with: whoever asks for a broker from now on hears that
 * there is none, and that asking again is of no use.
 */
export function endCluster({ brokerPool }: Cluster): void {
  const refuse = () => Promise.reject(hasLeft())
  brokerPool.connect = refuse
  brokerPool.createSeedBroker = refuse
  brokerPool.findBroker = refuse
  brokerPool.findConnectedBroker = refuse
  brokerPool.refreshMetadata = refuse
  brokerPool.refreshMetadataIfNecessary = refuse
  brokerPool.withBroker = refuse
}

/** Not retriable: KafkaJS gives up at once. */
export function hasLeft(): Error {
  return Object.assign(new Error('the member has left'), { retriable: false })
}
