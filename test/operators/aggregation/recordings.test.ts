import { describe, expect, test } from 'vitest'
import { differences } from '../../../parity/compare.ts'
import { play, unsupported } from '../../../parity/play.ts'
import { readRecordings } from '../../../parity/recording.ts'

const recordings = readRecordings('test/fixtures/kafka-streams').map(
  (recording) => [recording.name, recording] as const,
)

describe('recordings of Kafka Streams', () => {
  test.each(recordings)('%s gives the same outputs, drops and stores', async (_, recording) => {
    expect(unsupported(recording)).toBeUndefined()

    expect(differences(recording, await play(recording))).toEqual([])
  })

  test('a recording with another value, another drop or another store differs', async () => {
    const [, recording] = recordings.find(([name]) => name === 'tumbling_hand_g51') ?? []
    if (!recording) throw new TypeError('the recording is gone')
    const played = await play(recording)
    const changed = (index: number, change: object) =>
      recording.steps.map((step, at) => (at === index ? { ...step, ...change } : step))

    expect(differences({ ...recording, steps: changed(0, { out: [] }) }, played)[0]?.at).toMatch('step 0')
    expect(differences({ ...recording, steps: changed(9, { dropped: 2 }) }, played)[0]?.at).toMatch('step 9')
    expect(differences({ ...recording, stores: { S: [] } }, played)[0]?.at).toBe('store S')
  })
})
