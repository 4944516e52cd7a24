import { describe, expect, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, repartition, selectKey } from '../../../src/operators/index.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import { partitionOfKey } from '../../../src/runtime/queries/key-partition.ts'
import { msgpack, type Serde, string } from '../../../src/serde.ts'
import type { StoreSpec } from '../../../src/state/store.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Partitioning } from '../../../src/topology/source.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { timeWindowed } from '../../../src/windowed.ts'

const partitions = 7
const key = Buffer.from('zurich')

/** Counts by key, in the store `counts`. */
function counted<K>(topicKey: Serde<K>, storeKey = topicKey): Topology {
  const builder = new TopologyBuilder()
  builder.stream('in', kafka({ topic: 'in', key: topicKey, value: string })).process(count('counts', { key: storeKey }))
  return builder.build()
}

function regrouped(how: Partitioning<string, string> = {}): Topology {
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: 'in', key: string, value: string }))
    .process(selectKey('by-value', (value) => value ?? ''))
    .process(repartition('regrouped', { key: string, value: string, ...how }))
    .process(count('counts'))
  return builder.build()
}

function partitionIn(topology: Topology, bytes: Uint8Array = key): number | undefined {
  const spec = topology.stores.get('counts') as StoreSpec
  const subtopology = topology.subtopologies.find(({ stores }) => stores.some(({ name }) => name === 'counts'))
  if (!subtopology) throw new Error('nobody has the store')
  return partitionOfKey(spec, bytes, { topology, subtopology, partitions })
}

describe('the partition of a key', () => {
  test('is the one in which the records of that key are', () => {
    expect([partitionIn(counted(string)), partitionIn(regrouped())]).toEqual([
      partitionFor(key, partitions),
      partitionFor(key, partitions),
    ])
  })

  test('is for all windows of a key that of the key', () => {
    const windowed = timeWindowed(string, 10)
    const starts = Array.from({ length: 20 }, (_, index) => index * 10)

    const found = starts.map((startMs) => {
      const bytes = windowed.serialize({ key: 'zurich', window: { startMs, endMs: startMs + 10 } })
      return partitionIn(counted(windowed), bytes)
    })

    expect(new Set(found)).toEqual(new Set([partitionFor(key, partitions)]))
  })

  test('does not follow from a key whose bytes in the topic are others', () => {
    expect(partitionIn(counted<string>(string, msgpack<string>()))).toBeUndefined()
  })

  test('does not follow from a key whose records a function spreads on their way', () => {
    expect(partitionIn(regrouped({ partition: () => 3 }))).toBeUndefined()
  })
})
