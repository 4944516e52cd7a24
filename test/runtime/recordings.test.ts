import { describe, expect, test } from 'vitest'
import { differences } from '../../parity/compare.ts'
import { play, unsupported } from '../../parity/play.ts'
import { type RecordedStep, readRecordings } from '../../parity/recording.ts'

const recordings = readRecordings('test/fixtures/kafka-streams/processors').map(
  (recording) => [recording.name, recording] as const,
)

describe.each(['inMemory', 'rocksDB'] as const)(
  'recordings of processors of Kafka Streams, stores as %s',
  (storeType) => {
    test.each(recordings)('%s gives the same outputs, headers, drops and stores', async (_, recording) => {
      expect(unsupported(recording)).toBeUndefined()
      // The number of entries is asked for in memory only.
      const asRecorded = recording.op === 'kvStoreApi' ? recording.topology.storeType : storeType

      const played = await play({ ...recording, topology: { ...recording.topology, storeType: asRecorded } })

      expect(differences(recording, played)).toEqual([])
    })
  },
)

test('a recording with another header differs', async () => {
  const [, recording] = recordings.find(([name]) => name === 'headers_stateless_1') ?? []
  if (!recording) throw new TypeError('the recording is gone')
  const played = await play(recording)
  const withoutHeaders = ({ out, ...step }: RecordedStep): RecordedStep => {
    return { ...step, ...(out && { out: out.map(({ headers: _, ...output }) => output) }) }
  }

  const [difference] = differences({ ...recording, steps: recording.steps.map(withoutHeaders) }, played)

  expect(difference?.at).toMatch('step 0')
})
