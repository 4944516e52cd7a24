import { expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { ClusterConnections } from '../../../src/connectors/kafka/cluster.ts'
import { settled } from '../../support/instance.ts'

test('a question waits until the metadata of its topics are there: what is loaded may be what somebody else had asked for', async () => {
  // given: metadata that leave the topic out twice
  const clock = new ManualClock()
  const loaded = [[], [], [{ partitionId: 0, leader: 7 }]]
  const nothing = async () => undefined
  const cluster = {
    targetTopics: new Set(),
    addMultipleTargetTopics: nothing,
    refreshMetadataIfNecessary: nothing,
    refreshMetadata: nothing,
    findTopicPartitionMetadata: () => (loaded.length > 1 ? loaded.shift() : loaded[0]),
  }
  const connections = new ClusterConnections({ name: 'kafka', clock, cluster: () => cluster } as never)

  const asking = connections.using(['topic'], async (asked) => asked.findTopicPartitionMetadata('topic'))
  for (let second = 0; second < 3; second++) {
    await settled()
    clock.advance(1_000)
  }

  expect(await asking).toEqual([{ partitionId: 0, leader: 7 }])
})
