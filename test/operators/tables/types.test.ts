import { expectTypeOf, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { filter, filterNot, flatMap, mapValues } from '../../../src/operators/index.ts'
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
  expectTypeOf(stream.toTable('latest')).toEqualTypeOf<Table<string, User>>()
})
