import { describe, expect, test } from 'vitest'
import { differences } from '../../../parity/compare.ts'
import { play, unsupported } from '../../../parity/play.ts'
import { readRecordings } from '../../../parity/recording.ts'

const recordings = readRecordings('test/fixtures/kafka-streams/tables').map(
  (recording) => [recording.name, recording] as const,
)

describe.each(['inMemory', 'rocksDB'] as const)('recordings of tables in Kafka Streams, kept as %s', (storeType) => {
  test.each(recordings)('%s gives the same outputs, drops and stores', async (_, recording) => {
    expect(unsupported(recording)).toBeUndefined()

    const played = await play({ ...recording, topology: { ...recording.topology, storeType } })

    expect(differences(recording, played)).toEqual([])
  })
})
