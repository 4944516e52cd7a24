import { describe, expect, test } from 'vitest'
import { differences } from '../../parity/compare.ts'
import { play, unsupported } from '../../parity/play.ts'
import { readRecordings } from '../../parity/recording.ts'

const recordings = readRecordings('test/fixtures/kafka-streams/caching').map(
  (recording) => [recording.name, recording] as const,
)

describe.each(['inMemory', 'rocksDB'] as const)('recordings of Kafka Streams with caches, kept as %s', (storeType) => {
  // What a cut sends to a foreign-key join is looked up on disk all at once: the answers for different rows come in any order.
  const played = recordings.filter(([, { op }]) => storeType === 'inMemory' || op !== 'foreignKeyJoin')
  test.each(played)('%s sends the same at the same commits', async (_, recording) => {
    expect(unsupported(recording)).toBeUndefined()

    const ours = await play({ ...recording, topology: { ...recording.topology, storeType } })

    expect(differences(recording, ours)).toEqual([])
  })
})
