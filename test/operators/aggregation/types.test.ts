import { expectTypeOf, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { aggregate, count, reduce, session, sliding, tumbling } from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream } from '../../../src/topology/stream.ts'
import type { Windowed } from '../../../src/windowed.ts'

interface View {
  readonly author: string
  readonly seconds: number
}

const number = msgpack<number>()
const window = tumbling({ sizeMs: 1_000 })

function views(): Stream<string, View> {
  return new TopologyBuilder().stream('views', kafka({ topic: 'views', key: string, value: msgpack<View>() }))
}

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(): void {
  // @ts-expect-error a view has no page
  views().process(count('a', { by: (view) => view?.page ?? null }))
  // @ts-expect-error a key that is a number is not written as text
  views().process(count('b', { by: (view) => view?.seconds ?? null, key: string }))
  // @ts-expect-error the value in a time window may be null
  views().process(aggregate('c', { window, initialize: () => 0, add: (sum, view) => sum + view.seconds }))
  // @ts-expect-error sessions need a way to join two aggregates
  views().process(aggregate('d', { window: session({ gapMs: 5 }), initialize: () => 0, add: (sum) => sum + 1 }))
  // @ts-expect-error without a window nothing closes
  views().process(count('f', { emit: 'window-close' }))
  // @ts-expect-error what reduces views gives a view
  views().process(reduce('e', (longest, view) => longest.seconds + view.seconds))
}

test('types of keys, windows and aggregates flow through without annotations', () => {
  const stream = views()

  expectTypeOf(stream.process(count('a'))).toEqualTypeOf<Stream<string, number>>()
  expectTypeOf(stream.process(count('b', { window }))).toEqualTypeOf<Stream<Windowed<string>, number>>()
  expectTypeOf(stream.process(count('c', { by: (view) => view?.author ?? null }))).toEqualTypeOf<
    Stream<string, number>
  >()
  expectTypeOf(
    stream.process(count('d', { by: (view, key) => view?.seconds ?? key.length, key: number, window })),
  ).toEqualTypeOf<Stream<Windowed<number>, number>>()
  expectTypeOf(stream.process(reduce('e', (a, b) => (a.seconds > b.seconds ? a : b)))).toEqualTypeOf<
    Stream<string, View>
  >()
  expectTypeOf(
    stream.process(aggregate('f', { initialize: () => 0, add: (sum, view, key) => sum + view.seconds + key.length })),
  ).toEqualTypeOf<Stream<string, number>>()
  expectTypeOf(
    stream.process(
      aggregate('g', {
        window: session({ gapMs: 5 }),
        initialize: () => [''],
        add: (authors, view) => [...authors, view?.author ?? ''],
        merge: (a, b) => [...a, ...b],
      }),
    ),
  ).toEqualTypeOf<Stream<Windowed<string>, string[]>>()
  expectTypeOf(
    stream.process(
      aggregate('h', {
        window: sliding({ differenceMs: 5 }),
        initialize: () => 0,
        add: (sum, view) => sum + view.seconds,
      }),
    ),
  ).toEqualTypeOf<Stream<Windowed<string>, number>>()
  expectTypeOf(theseDoNotCompile).toBeFunction()
})

test('a key that may be missing is there behind a step that needs it', () => {
  const source = kafka({ topic: 'views', key: nullable(string), value: msgpack<View>() })
  const stream = new TopologyBuilder().stream('views', source)

  expectTypeOf(stream).toEqualTypeOf<Stream<string | null, View>>()
  expectTypeOf(stream.process(count('a'))).toEqualTypeOf<Stream<string, number>>()
})
