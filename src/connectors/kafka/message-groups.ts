import type { GroupMessages, MessageGroups } from './internals.ts'

/** The messages of a topic by partition, each list made once. KafkaJS makes a new one for each message: quadratic in the size of a batch. */
export const groupedByPartition: GroupMessages = ({ topic, partitionMetadata, messages, partitioner }) => {
  const groups: MessageGroups = {}
  if (partitionMetadata.length === 0) return groups
  for (const message of messages) {
    const partition = partitioner({ topic, partitionMetadata, message })
    const group = groups[partition] ?? []
    group.push(message)
    groups[partition] = group
  }
  return groups
}
