import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { noHeaders } from '../../../src/record.ts'
import { StreamRuntime } from '../../../src/runtime/stream-runtime.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const hourMs = 60 * 60 * 1000

describe('a local store that nobody followed', () => {
  test.each([
    { hours: 11, restored: 0 },
    { hours: 13, restored: 3 },
  ])('for $hours hours: $restored of 3 records are restored, because deletions may be gone', async (expected) => {
    await using folder = await temporaryDirectory()
    const clock = new ManualClock(hourMs)
    await using broker = embeddedBroker({ clock })
    await broker.open()
    await broker.createTopics([{ topic: 'words', partitions: 1 }])
    await produce(broker, ['a', 'b', 'c'])
    await runOnce({ broker, clock, stateDirectory: folder.path })

    clock.advance(expected.hours * hourMs)
    const restored = await runOnce({ broker, clock, stateDirectory: folder.path })

    expect(restored).toBe(expected.restored)
  })
})

interface Place {
  readonly broker: EmbeddedBroker
  readonly clock: ManualClock
  readonly stateDirectory: string
}

/** Runs until everything is processed; returns how many changelog records it restored. */
async function runOnce(place: Place): Promise<number> {
  let restored = 0
  const builder = new TopologyBuilder()
  builder.stream('words', kafka({ topic: 'words', key: string, value: string })).process(dedupe('unchanged'))
  const runtime = new StreamRuntime({
    ...place,
    application: 'age',
    topology: builder.build(),
    observer: { restoring: (event) => (restored += event.restored) },
  })
  await runtime.start()
  await runtime.drain()
  await runtime.close()
  return restored
}

async function produce(broker: EmbeddedBroker, words: readonly string[]): Promise<void> {
  const producer = await broker.producer()
  await producer.send(
    words.map((word) => {
      const bytes = Buffer.from(word)
      return { topic: 'words', partition: 0, key: bytes, value: bytes, timestamp: 1, headers: noHeaders }
    }),
  )
  await producer.close()
}
