import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import type { RuntimeSettingsInput } from '../../../src/config.ts'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { overlaid } from '../../support/overlaid.ts'
import { RememberingInstance, writeKeys } from '../../support/remembering-instance.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const partitions = 4
const changelog = (partition: number) => ({ topic: 'app-unchanged-changelog', partition })

async function openLog(): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'in', partitions }])
  return broker
}

const write = (broker: Broker, prefix: string, each: number) => writeKeys(broker, prefix, { partitions, each })

function instance(
  broker: Broker,
  stateDirectory: string,
  options: Pick<RuntimeSettingsInput, 'numStandbyReplicas' | 'processingGuarantee'> = {},
) {
  return new RememberingInstance({ broker, stateDirectory, ...options })
}

const eventually = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 10 })

async function bothRunning(one: RememberingInstance, other: RememberingInstance): Promise<void> {
  await eventually(() => expect([one.running.length, other.running.length]).toEqual([2, 2]))
}

/** The standbys have read everything that the owners have committed. */
async function caughtUp(...instances: readonly RememberingInstance[]): Promise<void> {
  for (const { runtime } of instances) await runtime.drain()
  for (const { lags } of instances) lags.clear()
  await eventually(() => {
    for (const { lags } of instances) expect([...lags.values()]).toEqual([0, 0])
  })
}

describe('standbys of two instances', () => {
  test.each(['at_least_once', 'exactly_once'] as const)(
    'follow the tasks of the other one into folders of their own, and take over with the tail alone (%s)',
    async (processingGuarantee) => {
      await using folder = await temporaryDirectory()
      await using broker = await openLog()
      const one = instance(broker, join(folder.path, 'one'), { processingGuarantee })
      const other = instance(broker, join(folder.path, 'other'), { processingGuarantee })
      await one.runtime.start()
      await other.runtime.start()
      await bothRunning(one, other)
      await write(broker, 'first', 100)
      await caughtUp(one, other)
      const theirs = one.running
      const copies = [...other.lags.keys()].sort()
      const folders = await readdir(join(folder.path, 'other', 'app'))
      other.restored.clear()

      await one.runtime.kill()
      await eventually(() => expect(other.running).toEqual(['0_0', '0_1', '0_2', '0_3']))
      await write(broker, 'first', 100)
      await other.runtime.drain()

      const ends = await broker.offsets([0, 1, 2, 3].map(changelog))
      expect(copies).toEqual(theirs)
      expect(folders.filter((name) => /^0_\d$/.test(name)).sort()).toEqual(['0_0', '0_1', '0_2', '0_3'])
      // Every restore found nothing missing, and every key was known: nothing was written again.
      expect([...other.restored].sort()).toEqual(theirs.map((id) => [id, 0]))
      expect(ends.map(({ latest }) => latest)).toEqual([100, 100, 100, 100])
      await other.runtime.close()
    },
  )

  test('give way to their task without opening its stores twice, and follow again when it leaves', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    const other = instance(broker, join(folder.path, 'other'))
    await one.runtime.start()
    await write(broker, 'first', 50)
    await one.runtime.drain()
    await other.runtime.start()
    await bothRunning(one, other)
    await caughtUp(one, other)

    await one.runtime.close()
    await eventually(() => expect(other.running).toHaveLength(4))
    const again = instance(broker, join(folder.path, 'one'))
    await again.runtime.start()
    await bothRunning(again, other)
    await write(broker, 'second', 50)
    await caughtUp(again, other)

    // It had all four when it left, and nothing was written meanwhile.
    expect([...again.restored.values()]).toEqual([0, 0])
    expect([...other.lags.keys()].sort()).toEqual(again.running)
    await again.runtime.close()
    await other.runtime.close()
  })

  test('write nothing but their own stores', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    await one.runtime.start()
    await write(broker, 'first', 50)
    await one.runtime.drain()
    const sent: string[] = []
    const watched = overlaid<Broker>(broker, {
      producer: async (options) => {
        const producer = await broker.producer(options)
        return overlaid(producer, {
          send: (records) => {
            sent.push(...records.map(({ topic, partition }) => `${topic}-${partition}`))
            return producer.send(records)
          },
        })
      },
    })
    const other = instance(watched, join(folder.path, 'other'))
    await other.runtime.start()
    await bothRunning(one, other)
    await write(broker, 'second', 50)
    await caughtUp(one, other)

    const own = other.running.map((id) => `app-unchanged-changelog-${id.split('_')[1]}`)
    expect(new Set(sent)).toEqual(new Set(own))
    await one.runtime.close()
    await other.runtime.close()
  })

  test('end with a fault of their own, and the instance works on', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'))
    const broken = overlaid<Broker>(broker, {
      read: async function* (place, from, signal) {
        if (place.topic === changelog(0).topic) yield { records: [{ ...keyless, offset: from }], next: from + 1 }
        else yield* broker.read(place, from, signal)
      },
    })
    const keyless = { key: null, value: null, timestamp: 1, headers: noHeaders }
    const other = instance(broken, join(folder.path, 'other'))
    await one.runtime.start()
    await other.runtime.start()
    await bothRunning(one, other)

    await write(broker, 'first', 50)
    await one.runtime.drain()
    await eventually(() => expect(other.lags.size).toBe(2))
    await other.runtime.drain()

    expect([one.runtime.state, other.runtime.state]).toEqual(['running', 'running'])
    await one.runtime.close()
    await other.runtime.close()
  })

  test('are none by default', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openLog()
    const one = instance(broker, join(folder.path, 'one'), { numStandbyReplicas: 0 })
    const other = instance(broker, join(folder.path, 'other'), { numStandbyReplicas: 0 })
    await one.runtime.start()
    await other.runtime.start()
    await bothRunning(one, other)
    await write(broker, 'first', 20)
    await one.runtime.drain()
    await other.runtime.drain()

    expect([one.lags.size, other.lags.size]).toEqual([0, 0])
    await one.runtime.close()
    await other.runtime.close()
  })
})
