import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { StreamError } from '../../src/errors.ts'
import { type Logger, silentLogger } from '../../src/logger.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { finishing, instanceIn, plainTopologyTo, topologyTo, until } from '../support/instance.ts'
import { overlaid } from '../support/overlaid.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'

/** Runs a topology of this topic until it has committed, and tells what it was warned of. */
async function warningsOf(log: Broker, topic: string): Promise<object[]> {
  const warnings: object[] = []
  const logger: Logger = { ...silentLogger, warn: (facts) => void warnings.push(facts), child: () => logger }
  const topology = topologyTo(new RecordingSink(), (stream) => stream, topic)
  const settings = { application: 'app', commitIntervalMs: 10, stateInMemory: true }
  await using runtime = new StreamRuntime({ topology, broker: log, logger, ...settings })
  await runtime.start()
  await runtime.drain()
  return warnings
}

describe('an instance whose application has read other topics before', () => {
  test('names them at its start, and works on; one that reads them all has nothing to say', async () => {
    await using log = embeddedBroker()
    await log.open()
    await log.createTopics(['new', 'old'].map((topic) => ({ topic, partitions: 2 })))

    const warnings = [await warningsOf(log, 'old'), await warningsOf(log, 'old'), await warningsOf(log, 'new')]

    expect(warnings).toEqual([[], [], [{ group: 'app', topics: ['old'] }]])
    expect(await log.committedTopics('app')).toEqual(['new', 'old'])
  })

  test('starts also when that cannot be found out', async () => {
    await using log = embeddedBroker()
    await log.open()
    await log.createTopics([{ topic: 'new', partitions: 1 }])
    const committedTopics = () => Promise.reject(new StreamError('BROKER_DENIED', 'not for you'))

    const warnings = await warningsOf(overlaid<Broker>(log, { committedTopics }), 'new')

    expect(warnings).toEqual([{ error: expect.stringContaining('not for you') }])
  })
})

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
