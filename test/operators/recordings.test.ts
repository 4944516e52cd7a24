import { describe, expect, test } from 'vitest'
import { differences } from '../../parity/compare.ts'
import { play, unsupported } from '../../parity/play.ts'
import { readRecordings } from '../../parity/recording.ts'

const recordings = readRecordings('test/fixtures/kafka-streams/dsl').map(
  (recording) => [recording.name, recording] as const,
)

describe('recordings of Kafka Streams with suppressed, parted, grouped and named streams', () => {
  test.each(recordings)('%s gives the same outputs, drops and stores', async (_, recording) => {
    expect(unsupported(recording)).toBeUndefined()

    expect(differences(recording, await play(recording))).toEqual([])
  })

  test('a recording with another internal topic, or another call of a function, differs', async () => {
    const [naming, peeking] = ['naming_noopt_reuse', 'peek_depth_first_s11'].map(
      (name) => recordings.find(([other]) => other === name)?.[1],
    )
    if (!naming || !peeking) throw new TypeError('the recordings are gone')
    const renamed = {
      ...naming,
      internalTopics: naming.internalTopics?.map((topic) => topic.replace('C1', 'C2')) ?? [],
    }
    const silent = { ...peeking, steps: peeking.steps.map((step) => ({ ...step, trace: [] })) }

    expect(differences(renamed, await play(renamed)).map(({ at }) => at)).toEqual(['internal topics'])
    expect(differences(silent, await play(silent))).toHaveLength(peeking.steps.length)
  })
})
