import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { isStreamError } from '../../src/errors.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { filter } from '../../src/operators/filter.ts'
import { selectKey } from '../../src/operators/map.ts'
import { merge } from '../../src/operators/merge.ts'
import { repartition } from '../../src/operators/repartition.ts'
import { string } from '../../src/serde.ts'
import { sessionStore, timestampedKeyValueStore, versionedStore, windowStore } from '../../src/state/store-specs.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../src/topology/processor.ts'

const source = (topic: string) => kafka({ topic, key: string, value: string })
const target = (topic: string) => kafkaTopic({ topic, key: string, value: string })

/** A node that opens the gate and keeps a store of its own. */
const keyed = (name: string): ProcessorSupplier<string, string, string, string> => ({
  name,
  operator: 'keyed',
  order: 'key',
  stores: [{ kind: 'key-value', name, key: string, value: string }],
  create: () => ({ process: (record, context) => context.forward(record) }),
})

function problemsOf(build: (builder: TopologyBuilder) => void): string[] {
  const builder = new TopologyBuilder()
  build(builder)
  try {
    builder.build()
    return []
  } catch (error) {
    return isStreamError(error) ? (error.details.problems as string[]) : [String(error)]
  }
}

describe('a builder', () => {
  test('gives a frozen value in which parents come before children', () => {
    const builder = new TopologyBuilder()
    builder
      .stream('in', source('a'))
      .process(filter('some', () => true))
      .to('out', target('b'))

    const topology = builder.build()

    expect([...topology.nodes.keys()]).toEqual(['in', 'some', 'out'])
    expect(topology.nodes.get('some')).toMatchObject({ parents: ['in'], children: ['out'], zone: 'synchronous' })
    expect(Object.isFrozen(topology)).toBe(true)
    expect([...topology.nodes.values()].every(Object.isFrozen)).toBe(true)
  })

  test('puts what shares no edge and no store into different sub-topologies', () => {
    const builder = new TopologyBuilder()
    builder.stream('one', source('a')).to('one-out', target('b'))
    builder.stream('two', source('c')).to('two-out', target('d'))

    const topology = builder.build()

    expect(topology.subtopologies.map((part) => part.topics)).toEqual([['a'], ['c']])
  })

  test('cuts a stream in two where it is repartitioned', () => {
    const builder = new TopologyBuilder()
    builder
      .stream('in', source('a'))
      .process(selectKey('other-key', (value, key) => value ?? key))
      .process(repartition('by-value', { key: string, value: string, partitions: 3 }))
      .process(dedupe('seen'))
      .to('out', target('b'))

    const topology = builder.build()

    expect(topology.subtopologies.map((part) => part.nodes)).toEqual([
      ['in', 'other-key', 'by-value', 'by-value-repartition-sink'],
      ['by-value-repartition-source', 'seen', 'out'],
    ])
    expect(topology.subtopologies[1]?.topics).toEqual(['by-value-repartition'])
  })

  test('joins two streams into one sub-topology where they are merged', () => {
    const builder = new TopologyBuilder()
    const other = builder.stream('two', source('b'))
    builder.stream('one', source('a')).process(merge('both', other)).to('out', target('c'))

    const topology = builder.build()

    expect(topology.subtopologies).toHaveLength(1)
    expect(topology.nodes.get('both')?.parents).toEqual(['one', 'two'])
  })

  test('marks the gate and what lies beyond it', () => {
    const builder = new TopologyBuilder()
    const stream = builder.stream('in', source('a'))
    stream
      .process(filter('before', () => true))
      .process(keyed('gate'))
      .process(keyed('behind'))
      .to('out', target('b'))

    const topology = builder.build()

    const zones = ['before', 'gate', 'behind', 'out'].map((name) => {
      const node = topology.nodes.get(name)
      return node?.kind === 'source' ? undefined : node?.zone
    })
    expect(zones).toEqual(['synchronous', 'gate', 'beyond', 'beyond'])
  })

  test('keeps the latest value of a table in a store of its name', () => {
    const builder = new TopologyBuilder()
    builder.table('authors', source('authors')).toStream().to('out', target('b'))

    const topology = builder.build()

    expect([...topology.stores.keys()]).toEqual(['authors'])
    expect(topology.subtopologies[0]?.stores.map((spec) => spec.name)).toEqual(['authors'])
  })
})

describe('validation', () => {
  test('reports every problem at once', () => {
    const problems = problemsOf((builder) => {
      builder
        .stream('in', source('a'))
        .process(filter('in', () => true))
        .process(filter('', () => true))
      builder.addStore({ kind: 'key-value', name: 'lonely', key: string, value: string })
    })

    expect(problems).toEqual([
      'two nodes have the name "in"',
      'a processor has no name',
      'no node is connected to store "lonely"',
    ])
  })

  test.each<[string, (builder: TopologyBuilder) => void, RegExp]>([
    ['an illegal name', (b) => b.stream('a b', source('a')), /"a b" may hold only letters/],
    ['no source', () => undefined, /reads no topic/],
    [
      'a store that nobody declares',
      (b) => b.stream('in', source('a')).process({ ...keyed('node'), stores: ['nowhere'] }),
      /node "node" wants store "nowhere"/,
    ],
    [
      'two stores of one name',
      (b) =>
        b
          .stream('in', source('a'))
          .process(keyed('x'))
          .process({ ...keyed('y'), stores: [...(keyed('x').stores ?? [])] }),
      /two stores have the name "x"/,
    ],
    [
      'one topic read twice',
      (b) => {
        b.stream('one', source('a'))
        b.stream('two', source('a'))
      },
      /topic "a" is read twice/,
    ],
    [
      'a topic that is read and written',
      (b) => b.stream('in', source('a')).to('out', target('a')),
      /node "out" writes topic "a", which the topology reads: a cycle/,
    ],
    [
      'nodes in a circle',
      (b) =>
        b
          .stream('in', source('a'))
          .process({ ...filter<string, string>('loop', () => true), inputs: [{ name: 'loop' }] }),
      /the nodes "loop" form a cycle/,
    ],
    [
      'a stream of another builder',
      (b) => {
        const foreign = new TopologyBuilder().stream('foreign', source('b'))
        b.stream('in', source('a')).process(merge('both', foreign))
      },
      /"both" reads from "foreign", which is not part/,
    ],
    [
      'state by partition beyond the gate',
      (b) => b.stream('in', source('a')).process(keyed('gate')).process(dedupe('late')),
      /node "late" keeps state beyond the gate/,
    ],
    [
      'state after a change of the key',
      (b) =>
        b
          .stream('in', source('a'))
          .process(selectKey('other', () => 'k'))
          .process(dedupe('seen')),
      /node "seen" needs equal keys in one partition.*; put a repartition before it, or choose the key with the `by` of an aggregation/,
    ],
  ])('refuses %s', (_, build, sentence) => {
    expect(problemsOf(build)).toEqual([expect.stringMatching(sentence)])
  })

  test('refuses a store that keeps nothing', () => {
    const stores = [
      timestampedKeyValueStore('brief', { key: string, value: string, ttlMs: 0 }),
      windowStore('windows', { key: string, value: string, retentionMs: Number.NaN }),
      sessionStore('sessions', { key: string, value: string, retentionMs: -5 }),
      versionedStore('versions', { key: string, value: string, historyMs: -1 }),
    ]
    const problems = problemsOf((builder) =>
      builder.stream('in', source('a')).process({ ...filter<string, string>('one', () => true), stores }),
    )

    expect(problems).toEqual([
      'the store "brief" has ttlMs 0; give milliseconds above zero',
      'the store "windows" has retentionMs NaN; give milliseconds above zero',
      'the store "sessions" has retentionMs -5; give milliseconds above zero',
      'the store "versions" has historyMs -1; give milliseconds from zero on',
    ])
  })

  test('allows two nodes to share one store', () => {
    const counts = { kind: 'key-value', name: 'counts', key: string, value: string } as const
    const problems = problemsOf((builder) => {
      const stream = builder.addStore(counts).stream('in', source('a'))
      stream.process({ ...filter<string, string>('one', () => true), stores: ['counts'] })
      stream.process({ ...filter<string, string>('two', () => true), stores: [counts] })
    })

    expect(problems).toEqual([])
  })
})
