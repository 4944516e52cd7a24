import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyTestDriver, type TopologyTestDriverOptions } from '../../src/testing.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { Stream } from '../../src/topology/stream.ts'

/** A topic `in` and a topic `out` of any values, and what a test puts between them. */
export const input = kafka({ topic: 'in', key: string, value: msgpack<unknown>() })
export const output = kafkaTopic({ topic: 'out', key: string, value: msgpack<unknown>() })

export async function drive<V>(
  between: (stream: Stream<string, V>, builder: TopologyBuilder) => Stream<string, unknown>,
  options: TopologyTestDriverOptions = {},
): Promise<TopologyTestDriver> {
  const builder = new TopologyBuilder()
  between(builder.stream('in', input) as Stream<string, V>, builder).to('out', output)
  return TopologyTestDriver.start(builder.build(), options)
}

/** What came out, as `key=value` with `-` for a tombstone. */
export async function outputs(driver: TopologyTestDriver): Promise<string[]> {
  return (await driver.read(output)).map(({ key, value }) => `${key}=${value === null ? '-' : JSON.stringify(value)}`)
}
