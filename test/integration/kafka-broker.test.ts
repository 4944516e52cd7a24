import { describe } from 'vitest'
import { brokerFeatures } from '../contracts/broker.features.ts'
import { kafkaBrokers, kafkaTarget } from '../support/kafka-target.ts'

describe.skipIf(kafkaBrokers.length === 0)('with a real Kafka', () => {
  brokerFeatures('Kafka', kafkaTarget, { waitMs: 30_000, rebalanceTimeoutMs: 3_000 })
})
