import { expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { StreamError } from '../../src/errors.ts'
import { finishing, instanceIn, plainTopologyTo, until } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

test('an instance that is started while its broker restarts waits for it', async () => {
  await using log = embeddedBroker()
  await log.open()
  await log.createTopics([{ topic: 'in', partitions: 1 }])
  let failures = 3
  const away = async () => {
    if (--failures >= 0) throw new StreamError('PRODUCE_FAILED', 'nobody answers')
  }
  const overlay = { producer: () => away().then(() => log.producer()) }
  await using group = await ScriptedGroup.open({ log, overlay })
  const sink = new RecordingSink()

  await using instance = instanceIn(group, { topology: plainTopologyTo(sink) })
  await finishing(group.clock, instance.start())
  await group.write(0, 'one')

  await until(group.clock, () => sink.written.length === 1)
  expect(failures).toBeLessThan(0)
})
