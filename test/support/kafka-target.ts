import { inject } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import type { BrokerTarget } from '../contracts/broker.features.ts'

/** Addresses of the Kafka that the tests share; empty when there is none. */
export const kafkaBrokers: readonly string[] = inject('kafkaBrokers')?.split(',') ?? []

/** Clients of the shared Kafka, or of another one, for one test. */
export async function kafkaTarget(brokers: readonly string[] = kafkaBrokers): Promise<BrokerTarget> {
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
