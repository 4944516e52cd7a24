import { expect, expectTypeOf, test } from 'vitest'
import { kafkaTopic } from '../../src/connectors/kafka/sink.ts'
import { kafka } from '../../src/connectors/kafka/source.ts'
import { filter } from '../../src/operators/filter.ts'
import { flatMap, map, selectKey } from '../../src/operators/map.ts'
import { flatMapValues, mapValues } from '../../src/operators/map-values.ts'
import { merge } from '../../src/operators/merge.ts'
import { peek } from '../../src/operators/peek.ts'
import { bytes, msgpack, string } from '../../src/serde.ts'
import type { KeyValueStore } from '../../src/state/store.ts'
import {
  keyValueStore,
  sessionStore,
  timestampedKeyValueStore,
  versionedStore,
  windowStore,
} from '../../src/state/store-specs.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { ProcessorContext } from '../../src/topology/processor.ts'

interface View {
  readonly page: string
  readonly seconds: number
}

const source = kafka({ topic: 'views', key: string, value: msgpack<View>() })
const pages = kafkaTopic({ topic: 'pages', key: string, value: string })

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(builder: TopologyBuilder): void {
  const views = builder.stream('views', source)
  // @ts-expect-error a view has no author
  views.process(filter('a', (view) => view.author === 'x'))
  // @ts-expect-error views are not strings
  views.to('b', pages)
  // @ts-expect-error a number is not a string
  views.process(mapValues('c', (view) => view.seconds)).to('d', pages)
  // @ts-expect-error a mapper that changes the key sees tombstones, so the value may be null
  views.process(selectKey('e', (view) => view.page))
  // @ts-expect-error streams of different types cannot be merged
  views.process(merge('f', builder.stream('other', kafka({ topic: 'o', key: string, value: bytes }))))
  // @ts-expect-error the key of a view is a string
  views.process(filter('g', (_, key) => key > 5))
}

test('types of key and value flow through each operator without annotations', () => {
  const builder = new TopologyBuilder()
  const views = builder.stream('views', source)

  views
    .process(filter('long', (view, key) => view.seconds > 5 && key.length > 0))
    .process(peek('look', (record) => record.value?.page.length))
    .process(mapValues('page', (view) => view.page))
    .process(flatMapValues('parts', (page) => page.split('/')))
    .to('parts-out', pages)
  views
    .process(map('swap', (key, view) => [view?.page ?? key, view?.seconds ?? null]))
    .process(flatMap('twice', (key, seconds) => [[key, `${seconds?.toFixed(1)}`] as const]))
    .process(merge('all', builder.stream('more', kafka({ topic: 'more', key: string, value: string }))))
    .to('swapped-out', kafkaTopic({ topic: 'swapped', key: string, value: string }))

  expect(builder.build().nodes.size).toBeGreaterThan(5)
  expect(theseDoNotCompile).toBeTypeOf('function')
})

const counts = keyValueStore('counts', { key: string, value: msgpack<number>() })
const walked = keyValueStore('walked', { key: string, value: msgpack<View>(), keysInMemory: true })
const timed = timestampedKeyValueStore('timed', { key: string, value: msgpack<View>() })
const windows = windowStore('windows', { key: string, value: msgpack<number>(), retentionMs: 1 })
const sessions = sessionStore('sessions', { key: string, value: msgpack<number>(), retentionMs: 1 })
const versions = versionedStore('versions', { key: string, value: msgpack<number>(), historyMs: 1 })

function storesThatDoNotCompile(context: ProcessorContext<string, string>): void {
  // @ts-expect-error a count is a number
  context.store(counts).put('a', 'one')
  // @ts-expect-error its keys are not in memory
  context.store(counts).scan()
  // @ts-expect-error the value has a timestamp beside it
  context.store(timed).put('a', { page: '/', seconds: 1 })
  // @ts-expect-error a window has a start
  context.store(windows).put('a', 1)
  // @ts-expect-error what is forwarded has the types of the output
  context.forward({ key: 'a', value: 1, timestamp: 0, headers: [] })
}

test('a store that is opened by its spec has the types of its spec', () => {
  function stores(context: ProcessorContext<string, string>) {
    const [walk] = context.store(walked).scanPrefix('a').take(1)
    return {
      count: context.store(counts).get('a'),
      page: walk?.[1].page,
      seconds: context.store(timed).get('a')?.value.seconds,
      window: context.store(windows).fetch('a', 0)?.value,
      session: context.store(sessions).findSessions('a', 0, 1)[0]?.session.key,
      version: context.store(versions).get('a', 5)?.value,
      named: context.store<KeyValueStore<string, number>>('counts').get('a'),
    }
  }

  expectTypeOf<ReturnType<typeof stores>>().toEqualTypeOf<{
    count: number | undefined
    page: string | undefined
    seconds: number | undefined
    window: number | undefined
    session: string | undefined
    version: number | undefined
    named: number | undefined
  }>()
  expect(storesThatDoNotCompile).toBeTypeOf('function')
})
