import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { count, joinGlobalTable, tumbling } from '../../src/operators/index.ts'
import { selectKey } from '../../src/operators/map.ts'
import { repartition } from '../../src/operators/repartition.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { describeAsMermaid, describeAsText, describeTopology } from '../../src/topology/describe.ts'

function example() {
  const builder = new TopologyBuilder()
  builder
    .stream('in', kafka({ topic: 'views', key: string, value: string }))
    .process(selectKey('author', (value, key) => value ?? key))
    .process(repartition('by-author', { key: string, value: string }))
    .process(dedupe('seen'))
    .to('out', kafkaTopic({ topic: 'authors', key: string, value: string }))
  return builder.build()
}

describe('the description of a topology', () => {
  test('as text shows sub-topologies, stores and internal topics', () => {
    expect(describeAsText(example())).toBe(
      [
        'Sub-topology 0',
        '  source in (topic views)',
        '    --> author',
        '  processor author (selectKey)',
        '    --> by-author',
        '  processor by-author (repartition)',
        '    --> by-author-repartition-sink',
        '  sink by-author-repartition-sink (topic by-author-repartition)',
        'Sub-topology 1',
        '  source by-author-repartition-source (topic by-author-repartition)',
        '    --> seen',
        '  processor seen (dedupe) stores: seen',
        '    --> out',
        '  sink out (topic authors)',
        '  store seen (level, changelog seen-changelog)',
        'Internal topics',
        '  by-author-repartition',
        '  seen-changelog',
      ].join('\n'),
    )
  })

  test('says which steps hold updates back', () => {
    const builder = new TopologyBuilder()
    const views = builder.stream('in', kafka({ topic: 'views', key: string, value: string }))
    views.process(count('held', { caching: true }))
    views.process(count('sent'))
    const closing = { window: tumbling({ sizeMs: 10 }), emit: 'window-close' } as const
    views.process(count('closing', closing))
    const topology = builder.build()

    const nodes = describeTopology(topology).subtopologies.flatMap((part) => part.nodes)
    expect(nodes.filter(({ caching }) => caching).map(({ name }) => name)).toEqual(['held'])
    expect(describeAsText(topology)).toContain('  processor held (count) [cached] stores: held')
  })

  test('as data survives JSON', () => {
    const description = describeTopology(example())

    expect(JSON.parse(JSON.stringify(description))).toEqual(description)
    expect(description.subtopologies[1]?.stores).toEqual([
      {
        name: 'seen',
        kind: 'key-value',
        key: 'string',
        value: 'bytes',
        storage: 'level',
        changelog: 'seen-changelog',
      },
    ])
    expect(description.repartitions).toEqual([{ topic: 'by-author-repartition', partitions: null }])
  })

  test('as Mermaid has one line for every edge', () => {
    const lines = describeAsMermaid(example()).split('\n')

    expect(lines[0]).toBe('flowchart TD')
    expect(lines.filter((line) => line.includes('-->'))).toHaveLength(5)
  })

  test('as Mermaid shows stores with what they are restored from, and global tables, where they are used', () => {
    const builder = new TopologyBuilder()
    const rates = builder.globalTable('rates', kafka({ topic: 'currencies', key: string, value: string }))
    builder
      .stream('in', kafka({ topic: 'views', key: string, value: string }))
      .process(joinGlobalTable('with-rate', rates, (value, rate) => value + rate, { by: (value) => value }))
      .process(dedupe('seen'))

    const lines = describeAsMermaid(builder.build()).split('\n')

    expect(lines).toContain('    d0[("seen<br/>changelog seen-changelog")]')
    expect(lines).toContain('  g0[("rates<br/>global table of topic currencies")]')
    expect(lines.filter((line) => line.includes('-.'))).toEqual(['  g0 -.-> n1', '  n2 -.- d0'])
  })
})
