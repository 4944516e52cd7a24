import type { LogRecord, TopicPartition } from '../../runtime/broker.ts'
import { ProtocolReader } from './protocol-reader.ts'

/** The topic in which transaction coordinators note the states of transactions: one record for each change, by transactional id. */
export const transactionLog = '__transaction_state'
/** The topic in which coordinators of groups keep what is committed. */
export const offsetsLog = '__consumer_offsets'

const states = [
  'empty',
  'ongoing',
  'prepare-commit',
  'prepare-abort',
  'complete-commit',
  'complete-abort',
  'dead',
  'prepare-epoch-fence',
] as const

export interface TransactionEntry {
  readonly transactionalId: string
  readonly producerId: string
  readonly state: (typeof states)[number]
  /** What the transaction has touched; none once it is complete. */
  readonly partitions: readonly TopicPartition[]
}

/**
 * What a record of the transaction log says; undefined for one that says nothing (any more), and for formats of other versions of Kafka.
 * The formats are `TransactionLogKey.json` and `TransactionLogValue.json` of Kafka, versions 0 and 1.
 */
export function decodeTransactionEntry({ key, value }: Pick<LogRecord, 'key' | 'value'>): TransactionEntry | undefined {
  if (!key || !value) return undefined
  try {
    const keyReader = new ProtocolReader(key)
    if (keyReader.int16() !== 0) return undefined
    return decodeValue(keyReader.string(), value)
  } catch (error) {
    if (error instanceof RangeError) return undefined
    throw error
  }
}

function decodeValue(transactionalId: string, value: Uint8Array): TransactionEntry | undefined {
  const reader = new ProtocolReader(value)
  const version = reader.int16()
  if (version !== 0 && version !== 1) return undefined
  const producerId = String(reader.int64())
  const _epoch = reader.int16()
  const _timeoutMs = reader.int32()
  const state = states[reader.int8()]
  const topics =
    version === 0 ? reader.array(() => plainTopic(reader)) : reader.compactArray(() => compactTopic(reader))
  return state && { transactionalId, producerId, state, partitions: topics.flat() }
}

function plainTopic(reader: ProtocolReader): TopicPartition[] {
  const topic = reader.string()
  return reader.array(() => ({ topic, partition: reader.int32() }))
}

function compactTopic(reader: ProtocolReader): TopicPartition[] {
  const topic = reader.compactString()
  const partitions = reader.compactArray(() => ({ topic, partition: reader.int32() }))
  reader.skipTags()
  return partitions
}

/** Where a coordinator keeps what belongs to an id: a transactional id in the transaction log, a group in `__consumer_offsets`. */
export function coordinatorPartition(id: string, partitions: number): number {
  const hash = javaHashCode(id)
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions
}

/** `String.hashCode` of Java. */
export function javaHashCode(text: string): number {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(31, hash) + text.charCodeAt(index)) | 0
  return hash
}
