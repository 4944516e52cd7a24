import { describe, expect, test } from 'vitest'
import { finishing, pass, plainTopologyTo, runningIn, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

describe('a record that nothing can help', () => {
  test('holds back the offset of its task, although another task takes long to close', async () => {
    const closing = Promise.withResolvers<void>()
    const sink = new RecordingSink({ closeWriter: (task) => (task === '0_0' ? closing.promise : Promise.resolve()) })
    await using group = await ScriptedGroup.open({ partitions: 2 })
    group.deliver = (record) => (record.offset === 1 ? { ...record, timestamp: -1 } : record)
    const instance = await runningIn(group, { topology: plainTopologyTo(sink), commitIntervalMs: 1 })

    await group.write(1, 'before', 'of no time', 'after')
    await until(group.clock, () => instance.state === 'failed')
    await pass(group.clock, 1_000)
    closing.resolve()
    await expect(finishing(group.clock, instance.finished)).rejects.toThrow(
      'TIMESTAMP_INVALID: the record at in-1 offset 1 has a negative timestamp',
    )

    expect(sink.closing).toContain('0_0')
    expect(group.committed(1)?.offset).toBeLessThanOrEqual(1)
  })
})
