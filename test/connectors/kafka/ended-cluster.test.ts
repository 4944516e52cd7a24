import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { KafkaClientFactory, retries } from '../../../src/connectors/kafka/client.ts'

test('who looks for a broker that never comes gives up when the clients are ended', async () => {
  const factory = new KafkaClientFactory({ brokers: ['127.0.0.1:1'] })
  const consumer = factory.kafka(retries.member).consumer({ groupId: 'group', retry: retries.member })
  let isOver = false
  const connecting = consumer.connect().finally(() => {
    isOver = true
  })
  connecting.catch(() => undefined)
  await pause(300)
  const before = isOver

  factory.destroyConnections()

  await expect(connecting).rejects.toThrow('the member has left')
  expect(before).toBe(false)
}, 5_000)
