import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { StreamError } from '../../../src/errors.ts'
import { noHeaders } from '../../../src/record.ts'
import { msgpack, string } from '../../../src/serde.ts'
import type { KeyValueStore } from '../../../src/state/store.ts'
import type { ProcessorSupplier } from '../../../src/topology/processor.ts'
import { finishing, instanceIn, runningIn, topologyTo } from '../../support/instance.ts'
import { readAll } from '../../support/log-records.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Counts the records of a key. `look` comes before every look at the store. */
function counting(look: () => void = () => undefined): ProcessorSupplier<string, string, string, string> {
  return {
    name: 'counts',
    operator: 'test',
    stores: [{ kind: 'key-value', name: 'counts', key: string, value: msgpack<number>() }],
    create: () => ({
      process(record, context) {
        look()
        const store = context.store<KeyValueStore<string, number>>('counts')
        const count = (store.get(record.key) ?? 0) + 1
        store.put(record.key, count)
        context.forward({ ...record, value: String(count) })
      },
    }),
  }
}

describe('a value in a store that its serde cannot read', () => {
  test('is no fault of the record: the runtime fails with STATE_FORMAT and writes no dead letter', async () => {
    await using group = await ScriptedGroup.open()
    await group.log.createTopics([{ topic: 'app-counts-changelog', partitions: 1, cleanup: 'compact' }])
    const other = await group.log.producer()
    // 0xc1 is the one byte that msgpack never uses.
    const change = { key: Buffer.from('key'), value: Uint8Array.of(0xc1), timestamp: 1, headers: noHeaders }
    await other.send([{ topic: 'app-counts-changelog', partition: 0, ...change }])
    const sink = new RecordingSink()
    const instance = await runningIn(group, { topology: topologyTo(sink, (stream) => stream.process(counting())) })

    await group.write(0, 'one')

    await expect(finishing(group.clock, instance.finished)).rejects.toMatchObject({ code: 'STATE_FORMAT' })
    expect(await readAll(group.log, { topic: 'app-dead-letter', partition: 0 })).toEqual([])
    expect(group.committed()).toMatchObject({ offset: 0 })
  })
})

describe('a store that turns out to be corrupt', () => {
  test('is removed with the task; the next start restores it from the changelog', async () => {
    await using folder = await temporaryDirectory()
    await using group = await ScriptedGroup.open()
    const place = join(folder.path, 'app', '0_0')
    let isCorrupt = false
    const look = () => {
      if (isCorrupt) throw new StreamError('STATE_CORRUPT', 'a block of 0_0 has a wrong checksum')
    }
    const run = (sink: RecordingSink, restored: (records: number) => void = () => undefined) =>
      instanceIn(group, {
        topology: topologyTo(sink, (stream) => stream.process(counting(look))),
        stateDirectory: folder.path,
        observer: { restoring: (event) => restored(event.restored) },
      })
    const first = run(new RecordingSink())
    await first.start()
    await group.write(0, 'one', 'two')
    await finishing(group.clock, first.drain())
    const wasThere = existsSync(place)

    isCorrupt = true
    await group.write(0, 'three')
    await expect(finishing(group.clock, first.finished)).rejects.toMatchObject({ code: 'STATE_CORRUPT' })
    const isThere = existsSync(place)
    isCorrupt = false
    const sink = new RecordingSink()
    let restoredRecords = 0
    const second = run(sink, (records) => {
      restoredRecords += records
    })
    await second.start()
    await finishing(group.clock, second.drain())
    await finishing(group.clock, second.close())

    expect([wasThere, isThere]).toEqual([true, false])
    expect(restoredRecords).toBeGreaterThan(0)
    expect(sink.written).toEqual(['0_0 3'])
    expect(await readAll(group.log, { topic: 'app-dead-letter', partition: 0 })).toEqual([])
  })
})
