import { expect, test } from 'vitest'
import type { ProcessorSupplier } from '../../../src/topology/processor.ts'
import { runningIn, settled, topologyTo, until } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'

test('a record beyond the gate is settled when what it caused is acknowledged', async () => {
  await using group = await ScriptedGroup.open()
  const acknowledged = Promise.withResolvers<void>()
  const sink = new RecordingSink({ write: () => acknowledged.promise })
  const heard: string[] = []
  const listening: ProcessorSupplier<string, string, string, string> = {
    name: 'listening',
    operator: 'peek',
    order: 'key',
    create: () => ({
      process(record, context) {
        void context.settled.then(() => heard.push(`${record.value}`))
        context.forward(record)
      },
    }),
  }
  await using _instance = await runningIn(group, { topology: topologyTo(sink, (stream) => stream.process(listening)) })

  await group.write(0, 'one')
  await until(group.clock, () => sink.written.length === 1)
  await settled()
  expect(heard).toEqual([])

  acknowledged.resolve()
  await until(group.clock, () => heard.length === 1)
  expect(heard).toEqual(['one'])
})

test('a node before the gate cannot wait for its records', async () => {
  await using group = await ScriptedGroup.open()
  const sink = new RecordingSink()
  const waiting: ProcessorSupplier<string, string, string, string> = {
    name: 'waiting',
    operator: 'peek',
    create: () => ({ process: (_, context) => void context.settled }),
  }
  await using _instance = await runningIn(group, {
    topology: topologyTo(sink, (stream) => stream.process(waiting)),
    onFailedRecord: 'fail',
  })

  await group.write(0, 'one')

  await expect(_instance.finished).rejects.toMatchObject({ message: expect.stringContaining('before the gate') })
})
