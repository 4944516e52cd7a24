import { describe, expect, test } from 'vitest'
import { kafka } from '../../src/connectors/kafka/source.ts'
import {
  count,
  hopping,
  latest,
  repartition,
  session,
  sliding,
  tumbling,
  unlimited,
  type Windows,
} from '../../src/operators/index.ts'
import { msgpack, string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import { describeTopology } from '../../src/topology/describe.ts'
import { diffTopologies, losesState } from '../../src/topology/diff-topologies.ts'
import type { Stream } from '../../src/topology/stream.ts'

type Views = Stream<string, string>

function described(build: (views: Views, builder: TopologyBuilder) => void, topic = 'views') {
  const builder = new TopologyBuilder()
  build(builder.stream('in', kafka({ topic, key: string, value: string })), builder)
  return describeTopology(builder.build())
}

const counted = described((views) => views.process(count('counts')))

const told = (changes: ReturnType<typeof diffTopologies>) =>
  changes.map(({ what, name, change, effect }) => `${what} ${name} ${change}: ${effect}`)

describe('the difference between two versions of a topology', () => {
  test('is none where stores and topics are the same, whatever else has changed', () => {
    const after = described((views) => {
      views.process({ name: 'more', operator: 'more', create: () => ({ process: () => undefined }) })
      views.process(count('counts'))
    })

    expect(diffTopologies(counted, counted)).toEqual([])
    expect(diffTopologies(counted, after)).toEqual([])
  })

  test('names what a renamed store leaves behind, and the name to keep', () => {
    const changes = diffTopologies(
      counted,
      described((views) => views.process(count('totals'))),
    )

    expect(told(changes)).toEqual([
      'store counts gone: orphaned',
      'changelog counts-changelog gone: orphaned',
      'store totals new: begins-empty',
    ])
    expect(changes[0]?.says).toContain('if it was renamed to "totals", keep the old name')
    expect(changes.some(losesState)).toBe(true)
  })

  test('is no loss where a store is added', () => {
    const after = described((views) => {
      views.process(count('counts'))
      views.process(count('totals'))
    })

    const changes = diffTopologies(counted, after)

    expect(told(changes)).toEqual(['store totals new: begins-empty'])
    expect(changes.some(losesState)).toBe(false)
  })

  test.each([
    ['kind', described((views) => views.process(count('counts', { window: tumbling({ sizeMs: 10 }) }))), true],
    ['serdes', described((views) => views.toTable(latest('counts', { value: string }))), true],
    ['storage', described((views) => views.process(count('counts', { storage: 'memory' }))), false],
    ['topics of its sub-topology', described((views) => views.process(count('counts')), 'clicks'), false],
  ])('says what a store with another %s does', (label, after, isLoss) => {
    const [change, ...others] = diffTopologies(counted, after)

    expect(change).toMatchObject({ what: 'store', name: 'counts', change: 'changed' })
    expect(change?.says).toMatch(new RegExp(`^${label}: .*, now .*: `))
    expect([change, ...others].some((each) => each !== undefined && losesState(each))).toBe(isLoss)
  })

  const windowed = (window: Windows) => described((views) => views.process(count('counts', { window })))

  test.each<[string, Windows, Windows]>([
    ['larger windows', tumbling({ sizeMs: 10 }), tumbling({ sizeMs: 20 })],
    ['windows more often', tumbling({ sizeMs: 10 }), hopping({ sizeMs: 10, advanceMs: 5 })],
    ['sliding windows', tumbling({ sizeMs: 10 }), sliding({ differenceMs: 10 })],
    ['a larger time difference', sliding({ differenceMs: 10 }), sliding({ differenceMs: 20 })],
    ['a longer gap of sessions', session({ gapMs: 10 }), session({ gapMs: 20 })],
    ['another start', unlimited({ startMs: 10 }), unlimited({ startMs: 20 })],
  ])('says of %s that what is stored belongs to others', (_, before, after) => {
    const [change, ...others] = diffTopologies(windowed(before), windowed(after))

    expect(others).toEqual([])
    expect(change).toMatchObject({ name: 'counts', change: 'changed', effect: 'refused' })
    expect(change?.says).toMatch(/^windows: .*\d+ ms.*, now .*\d+ ms.*: /)
  })

  test('is none where late records are let in for longer, or windows are not known', () => {
    const before = windowed(tumbling({ sizeMs: 10 }))
    const printedByAnOlderVersion: typeof before = JSON.parse(
      JSON.stringify(before, (name, value) => (name === 'windows' ? undefined : value)),
    )

    expect(diffTopologies(before, windowed(tumbling({ sizeMs: 10, graceMs: 5 })))).toEqual([])
    expect(diffTopologies(printedByAnOlderVersion, windowed(tumbling({ sizeMs: 20 })))).toEqual([])
  })

  test('tells of repartition topics that are new, gone, or have other partitions', () => {
    const through = (name: string, partitions?: number) =>
      described((views) => {
        const options = { key: string, value: string, ...(partitions !== undefined && { partitions }) }
        views.process(repartition(name, options)).process(count('counts'))
      })
    const topicsOf = (changes: ReturnType<typeof diffTopologies>) =>
      told(changes.filter(({ what }) => what === 'repartition topic'))

    expect(topicsOf(diffTopologies(through('a'), through('b')))).toEqual([
      'repartition topic a-repartition gone: orphaned',
      'repartition topic b-repartition new: none',
    ])
    expect(topicsOf(diffTopologies(through('a', 4), through('a', 8)))).toEqual([
      'repartition topic a-repartition changed: refused',
    ])
    expect(topicsOf(diffTopologies(through('a', 4), through('a')))).toEqual([
      'repartition topic a-repartition changed: none',
    ])
  })

  test('tells of tables whose topic takes the place of their changelog, and of global tables with another topic', () => {
    const rows = (changelog: 'own' | 'source', countries: string) =>
      described((_, builder) => {
        builder.table('rows', kafka({ topic: 'rows', key: string, value: msgpack<string>() }), { changelog })
        builder.globalTable('countries', kafka({ topic: countries, key: string, value: string }))
      })

    const changes = diffTopologies(rows('own', 'one'), rows('source', 'two'))

    expect(told(changes)).toEqual([
      'store rows changed: begins-empty',
      'changelog rows-changelog gone: orphaned',
      'global table countries changed: none',
    ])
  })
})
