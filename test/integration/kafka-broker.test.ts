import { describe, inject } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { type BrokerTarget, brokerFeatures } from '../contracts/broker.features.ts'

const brokers = inject('kafkaBrokers')?.split(',') ?? []

async function openTarget(): Promise<BrokerTarget> {
  const clients: Broker[] = []
  const open = async () => {
    const client = kafkaBroker({ brokers })
    clients.push(client)
    await client.open()
    return client
  }
  return {
    broker: await open(),
    another: open,
    dispose: async () => {
      await Promise.all(clients.map((client) => client.close()))
    },
  }
}

describe.skipIf(brokers.length === 0)('with a real Kafka', () => {
  brokerFeatures('Kafka', openTarget, { waitMs: 30_000, rebalanceTimeoutMs: 3_000 })
})
