import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver, type TopologyTestDriverOptions } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { TopicTarget } from '../../src/topology/source.ts'
import type { Stream } from '../../src/topology/stream.ts'

export const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
export const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() })

/** Nothing is committed but when a test says so: time stands still. */
export async function started(
  declare: (stream: Stream<string, number>, builder: TopologyBuilder) => void,
  options: Partial<TopologyTestDriverOptions> = {},
): Promise<TopologyTestDriver> {
  const builder = new TopologyBuilder()
  declare(builder.stream('in', source), builder)
  return TopologyTestDriver.start(builder.build(), { commit: 'manual', ...options })
}

/** What came out since the last call, `key value @time`. */
export async function sent(driver: TopologyTestDriver, from: TopicTarget<string, unknown> = target): Promise<string[]> {
  return (await driver.read(from)).map(({ key, value, timestamp }) => `${key} ${value} @${timestamp}`)
}

export function one(key: string, timestamp: number, value: number | null = 1) {
  return { key, value, timestamp }
}
