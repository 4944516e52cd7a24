import { expectTypeOf, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, suppress, tumbling } from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'
import type { Windowed } from '../../../src/windowed.ts'

const window = tumbling({ sizeMs: 10 })

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(stream: Stream<string, number>): void {
  // @ts-expect-error its keys are in no windows
  stream.process(suppress('a', { untilWindowCloses: window }))
  // @ts-expect-error what comes before a window has closed is no result
  suppress('b', { untilWindowCloses: window, whenFull: 'emit-early' })
  // @ts-expect-error until when?
  stream.process(suppress('c', { maxRecords: 10 }))
}

test('types of keys and values flow through without annotations', () => {
  const builder = new TopologyBuilder()
  const stream = builder.stream('in', kafka({ topic: 'in', key: nullable(string), value: msgpack<number>() }))
  const table = builder.table('rows', kafka({ topic: 'rows', key: string, value: msgpack<Date>() }))

  expectTypeOf(stream.process(suppress('a', { untilTimeLimitMs: 10 }))).toEqualTypeOf<Stream<string, number>>()
  expectTypeOf(table.process(suppress('b', { untilTimeLimitMs: 10 }))).toEqualTypeOf<Table<string, Date>>()
  expectTypeOf(
    stream.process(count('c', { window })).process(suppress('d', { untilWindowCloses: window })),
  ).toEqualTypeOf<Stream<Windowed<string>, number>>()
  expectTypeOf(theseDoNotCompile).toBeFunction()
})
