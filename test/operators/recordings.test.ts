import { describe, expect, test } from 'vitest'
import { differences } from '../../parity/compare.ts'
import { play, unsupported } from '../../parity/play.ts'
import { readRecordings } from '../../parity/recording.ts'

const recordings = readRecordings('test/fixtures/kafka-streams/dsl').map(
  (recording) => [recording.name, recording] as const,
)

describe('recordings of Kafka Streams with suppressed, parted and grouped streams', () => {
  test.each(recordings)('%s gives the same outputs, drops and stores', async (_, recording) => {
    expect(unsupported(recording)).toBeUndefined()

    expect(differences(recording, await play(recording))).toEqual([])
  })
})
