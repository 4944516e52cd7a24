import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { KafkaBrokerOptions } from '../../src/connectors/kafka/client.ts'
import type { Broker, TopicSpec } from '../../src/runtime/broker.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { kafkaBrokers } from './kafka-target.ts'

/** An instance on the Kafka of the tests, with a broker object of its own. */
export interface KafkaInstance {
  readonly runtime: StreamRuntime
  readonly broker: Broker
  close(): Promise<void>
}

/** Starts one of the application that is named like its topic, which is made where it is missing. */
export async function startOnKafka(
  topology: Topology,
  topic: TopicSpec,
  options: Partial<KafkaBrokerOptions> = {},
): Promise<KafkaInstance> {
  const broker = kafkaBroker({ brokers: kafkaBrokers, ...options })
  await broker.open()
  await broker.createTopics([topic])
  const runtime = new StreamRuntime({
    topology,
    broker,
    application: topic.topic,
    stateInMemory: true,
    sessionTimeoutMs: 6_000,
  })
  await runtime.start()
  const close = async () => {
    await runtime.close()
    await broker.close()
  }
  return { runtime, broker, close }
}
