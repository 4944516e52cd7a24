import { expectTypeOf, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import {
  aggregate,
  count,
  filter,
  filterNot,
  flatMap,
  latest,
  mapValues,
  reduce,
  tumbling,
} from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'

interface User {
  readonly name: string
  readonly age: number
}

const builder = new TopologyBuilder()
const users = builder.table('users', kafka({ topic: 'users', key: string, value: msgpack<User>() }))
const stream = builder.stream('stream', kafka({ topic: 'stream', key: nullable(string), value: msgpack<User>() }))

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(): void {
  // @ts-expect-error a user has no page
  users.process(filter('a', (user) => user.page === 1))
  // @ts-expect-error a stream keeps no rows
  stream.process(filter('b', (user) => user.age > 18, { store: {} }))
  // @ts-expect-error what changes the key is for streams
  users.process(flatMap('c', (key, user) => [[key, user] as const]))
  // @ts-expect-error the values of the store are users
  users.process(filter('d', (user) => user.age > 18, { store: { value: string } }))
  // @ts-expect-error a history is as long as a number says
  users.process(filter('k', (user) => user.age > 18, { store: { historyMs: 'long' } }))
  // @ts-expect-error a table has no windows
  users.process(count('e', { by: (user) => user?.name ?? null, window: tumbling({ sizeMs: 5 }) }))
  // @ts-expect-error rows are counted under another key
  users.process(count('f'))
  // @ts-expect-error what was replaced has to be taken out
  users.process(reduce('g', (a) => a, { by: (user) => user.name }))
  // @ts-expect-error nothing is replaced in a stream
  stream.process(reduce('h', (a) => a, { by: (user) => user.name, subtract: (a) => a }))
  // @ts-expect-error groups that are numbers are not written as text
  users.process(count('i', { by: (user) => user?.age ?? null, key: string }))
  // @ts-expect-error the results of windows are no table
  stream.toTable(count('j', { window: tumbling({ sizeMs: 5 }) }))
}

test('types flow through the steps of a table without annotations', () => {
  expectTypeOf(users).toEqualTypeOf<Table<string, User>>()
  expectTypeOf(users.process(filter('adults', (user, key) => user.age > key.length))).toEqualTypeOf<
    Table<string, User>
  >()
  expectTypeOf(users.process(filterNot('minors', (user) => user.age < 18, { store: {} }))).toEqualTypeOf<
    Table<string, User>
  >()
  expectTypeOf(users.process(mapValues('names', (user) => user.name)).toStream()).toEqualTypeOf<
    Stream<string, string>
  >()
  expectTypeOf(users.process(mapValues('ages', (user) => user.age, { store: {} }))).toEqualTypeOf<
    Table<string, number>
  >()
  expectTypeOf(theseDoNotCompile).toBeFunction()
})

test('a table of a stream has the keys that are there', () => {
  expectTypeOf(stream.toTable(latest('latest'))).toEqualTypeOf<Table<string, User>>()
  expectTypeOf(stream.toTable(latest('versions', { historyMs: 5 }))).toEqualTypeOf<Table<string, User>>()
})

test('rows are aggregated without annotations', () => {
  expectTypeOf(users.process(count('a', { by: (user) => user?.age ?? null, key: msgpack<number>() }))).toEqualTypeOf<
    Table<number, number>
  >()
  expectTypeOf(
    users.process(reduce('b', (a, b) => (a.age > b.age ? a : b), { by: (user) => user.name, subtract: (a) => a })),
  ).toEqualTypeOf<Table<string, User>>()
  expectTypeOf(
    users.process(
      aggregate('c', {
        by: (user, key) => user.name + key.length,
        initialize: () => 0,
        add: (sum, user) => sum + user.age,
        subtract: (sum, user, name) => sum - user.age - name.length,
      }),
    ),
  ).toEqualTypeOf<Table<string, number>>()
})

test('the results of aggregations are tables without annotations', () => {
  expectTypeOf(stream.toTable(count('a'))).toEqualTypeOf<Table<string, number>>()
  expectTypeOf(stream.toTable(count('b', { by: (user) => user?.name ?? null }))).toEqualTypeOf<Table<string, number>>()
  expectTypeOf(stream.toTable(reduce('c', (a, b) => (a.age > b.age ? a : b)))).toEqualTypeOf<Table<string, User>>()
  expectTypeOf(
    stream.toTable(aggregate('d', { initialize: () => 0, add: (sum, user) => sum + user.age })),
  ).toEqualTypeOf<Table<string, number>>()
})
