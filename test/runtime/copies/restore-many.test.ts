import { join } from 'node:path'
import { expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import type { Broker } from '../../../src/runtime/broker.ts'
import { overlaid } from '../../support/overlaid.ts'
import { RememberingInstance, writeKeys } from '../../support/remembering-instance.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const partitions = 20

test('a lost disk with 20 tasks is restored several tasks at a time, and never by more than eight reads at once', async () => {
  await using folder = await temporaryDirectory()
  await using broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([{ topic: 'in', partitions }])
  await writeKeys(broker, 'first', { partitions, each: 600 })
  const before = new RememberingInstance({ broker, stateDirectory: join(folder.path, 'lost') })
  await before.runtime.start()
  await before.runtime.drain()
  await before.runtime.close()
  let reading = 0
  let most = 0
  const counted = overlaid<Broker>(broker, {
    read: async function* (...place) {
      reading++
      most = Math.max(most, reading)
      yield* broker.read(...place)
      reading--
    },
  })

  const after = new RememberingInstance({ broker: counted, stateDirectory: join(folder.path, 'new') })
  await after.runtime.start()
  await after.runtime.drain()
  await after.runtime.close()

  expect([...after.restored.values()]).toEqual(Array.from({ length: partitions }, () => 600))
  expect(most).toBeGreaterThan(2)
  expect(most).toBeLessThanOrEqual(8)
})
