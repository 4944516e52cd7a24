import { StreamError } from '../../errors.ts'
import type { ProducerRecord } from '../../runtime/broker.ts'
import type { ByteChange } from '../../state/store.ts'
import type { Catalog } from './catalog.ts'
import { recordKey } from './layout.ts'
import type { Partition, Reservation } from './partition.ts'
import { encodeRecord, sizeOf } from './record-codec.ts'

/** LevelDB copies a value several times on its way: much larger ones would be felt. */
const defaultMaxMessageBytes = 64 * 1024 * 1024

/** A setting of topics: they take times before 1970, such as the -1 of Kafka for none. */
const negativeTimestamps = 'millrace.negative.timestamps'

/** Records that have offsets and are encoded, but are not in the store yet. */
export interface Draft {
  /** One for each record, in order. */
  readonly offsets: readonly number[]
  readonly partitions: ReadonlySet<Partition>
  readonly changes: readonly ByteChange[]
  readonly bytes: number
  /** Ends the reservation of the offsets: the records are in the store, or will never be. */
  settle(): void
}

/** Throws TOPIC_MISSING or RECORD_REJECTED before anything is reserved. */
export function draft(catalog: Catalog, records: readonly ProducerRecord[]): Draft {
  const targets = records.map((record, index) => ({
    record,
    partition: accepted(catalog.partition(record), record, index),
  }))
  const reservations = new Map<Partition, Reservation>()
  const offsets: number[] = []
  const changes: ByteChange[] = []
  let bytes = 0
  for (const { record, partition } of targets) {
    if (!reservations.has(partition)) reservations.set(partition, partition.reserve())
    const offset = partition.take()
    const value = encodeRecord(record)
    bytes += value.length
    offsets.push(offset)
    changes.push({ key: recordKey(partition.topic.id, partition.index, offset), value })
  }
  return {
    offsets,
    partitions: new Set(reservations.keys()),
    changes,
    bytes,
    settle: () => {
      for (const [partition, reservation] of reservations) partition.settle(reservation)
    },
  }
}

function accepted(partition: Partition, record: ProducerRecord, index: number): Partition {
  const { name, cleanup, settings } = partition.topic
  const reject = (fact: string) => {
    throw new StreamError('RECORD_REJECTED', `topic "${name}" does not take record ${index} of the batch: ${fact}`, {
      details: { index, topic: name, partition: partition.index },
    })
  }
  const limit = Number(settings['max.message.bytes'] ?? defaultMaxMessageBytes)
  const bytes = sizeOf(record)
  if (bytes > limit) reject(`it has ${bytes} bytes, the limit is ${limit}`)
  if (record.key === null && cleanup !== 'delete') reject('a compacted topic needs a key')
  const isTime = record.timestamp >= 0 || settings[negativeTimestamps] === 'true'
  if (!Number.isSafeInteger(record.timestamp) || !isTime) {
    reject(`its timestamp is ${record.timestamp}, not milliseconds since the epoch`)
  }
  return partition
}
