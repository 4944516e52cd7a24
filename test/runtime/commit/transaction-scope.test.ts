import { expect, test } from 'vitest'
import { parseSettings } from '../../../src/config.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { mapValues } from '../../../src/operators/map-values.ts'
import { transactionScope } from '../../../src/runtime/commit/transaction-scope.ts'
import { string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'

test('the transactions of a task touch all partitions of its outputs and dead letters, and its own of the changelogs', () => {
  const builder = new TopologyBuilder()
  const stream = builder.stream('in', kafka({ topic: 'in', key: string, value: string }))
  const deduped = stream.process(dedupe('unchanged'))
  deduped.to('out', kafkaTopic({ topic: 'out', key: string, value: string }))
  deduped
    .process(mapValues('same', (value: string) => value))
    .to('again', kafkaTopic({ topic: 'out', key: string, value: string }))
  const topology = builder.build()
  const settings = parseSettings({ application: 'app' })
  const partitions = new Map([
    ['in', 2],
    ['out', 3],
    ['app-dead-letter', 1],
  ])

  const scope = transactionScope('0_1', { topology, settings, partitions })

  expect(scope.group).toBe('app')
  expect(scope.partitions.map(({ topic, partition }) => `${topic}-${partition}`)).toEqual([
    ...['out-0', 'out-1', 'out-2', 'app-dead-letter-0'],
    'app-unchanged-changelog-1',
  ])
})
