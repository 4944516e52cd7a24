import type { TopicPartition } from '../../runtime/broker.ts'
import type { ProtocolExchange, RawBroker } from './internals.ts'
import { ProtocolReader } from './protocol-reader.ts'

const describeProducers = 61
const authorizationFailed = 29
/** As KafkaJS calls the errors of a partition that is led by another broker, or by none at the moment. */
const passing: Readonly<Record<number, string>> = { 3: 'UNKNOWN_TOPIC_OR_PARTITION', 6: 'NOT_LEADER_FOR_PARTITION' }

export interface DescribedPartition extends TopicPartition {
  /** The user may not read the partition. */
  readonly isDenied: boolean
  /** The producers that have a transaction open there. */
  readonly open: readonly string[]
}

/**
 * Asks the leader of partitions which producers have written to them without having committed or aborted since. Nothing when the broker
 * does not know the question (DescribeProducers, KIP-664), as before Kafka 2.8.
 */
export async function openProducers(
  broker: RawBroker,
  partitions: readonly TopicPartition[],
): Promise<DescribedPartition[]> {
  if (!broker.versions?.[describeProducers]) return []
  return broker.connectionPool.send(describeProducersExchange(partitions))
}

/** Version 0, the only one; it is flexible. */
export function describeProducersExchange(
  partitions: readonly TopicPartition[],
): ProtocolExchange<DescribedPartition[], DescribedPartition[]> {
  const bytes = encodeRequest(partitions)
  return {
    request: {
      ...{ apiKey: describeProducers, apiVersion: 0, apiName: 'DescribeProducers' },
      encode: async () => ({ buf: bytes, buffer: bytes }),
    },
    response: { decode: async (answer) => decodeAnswer(answer), parse: async (partitions) => partitions },
  }
}

const noTags = Buffer.of(0)

function encodeRequest(partitions: readonly TopicPartition[]): Buffer {
  const topics = [...Map.groupBy(partitions, ({ topic }) => topic)].map(([topic, group]) => {
    const numbers = group.map(({ partition }) => int32(partition))
    return Buffer.concat([compactLength(Buffer.byteLength(topic)), Buffer.from(topic), compactArray(numbers), noTags])
  })
  // The first tags are those of the header.
  return Buffer.concat([noTags, compactArray(topics), noTags])
}

function compactArray(items: readonly Buffer[]): Buffer {
  return Buffer.concat([compactLength(items.length), ...items])
}

/** One more than the length, because 0 stands for null; seven bits a byte. */
function compactLength(length: number): Buffer {
  const bytes: number[] = []
  let rest = length + 1
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128)
  return Buffer.of(...bytes, rest)
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32BE(value)
  return bytes
}

function decodeAnswer(answer: Buffer): DescribedPartition[] {
  const reader = new ProtocolReader(answer)
  reader.skipTags()
  const _throttleMs = reader.int32()
  return reader.compactArray(() => decodeTopic(reader)).flat()
}

function decodeTopic(reader: ProtocolReader): DescribedPartition[] {
  const topic = reader.compactString()
  const partitions = reader.compactArray(() => decodePartition(reader, topic))
  reader.skipTags()
  return partitions
}

function decodePartition(reader: ProtocolReader, topic: string): DescribedPartition {
  const partition = reader.int32()
  const error = reader.int16()
  const message = reader.compactString()
  const producers = reader.compactArray(() => decodeProducer(reader))
  reader.skipTags()
  if (error !== 0 && error !== authorizationFailed)
    throw Object.assign(new Error(message || `error ${error} of ${topic}-${partition}`), { type: passing[error] })
  const open = producers.filter(({ isOpen }) => isOpen).map(({ producerId }) => producerId)
  return { topic, partition, isDenied: error === authorizationFailed, open }
}

function decodeProducer(reader: ProtocolReader): { readonly producerId: string; readonly isOpen: boolean } {
  const producerId = String(reader.int64())
  const _epoch = reader.int32()
  const _lastSequence = reader.int32()
  const _lastTimestamp = reader.int64()
  const _coordinatorEpoch = reader.int32()
  const isOpen = reader.int64() >= 0n
  reader.skipTags()
  return { producerId, isOpen }
}
