import { expectTypeOf, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import {
  count,
  joinByForeignKey,
  joinGlobalTable,
  joinStream,
  joinTable,
  leftJoinByForeignKey,
  leftJoinGlobalTable,
  leftJoinStream,
  leftJoinTable,
  outerJoinStream,
  outerJoinTable,
} from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'

interface View {
  readonly authorId: string
  readonly page: number
}

interface Author {
  readonly name: string
}

const builder = new TopologyBuilder()
const value = msgpack<View>()
const views = builder.stream('views', kafka({ topic: 'views', key: string, value }))
const unkeyed = builder.stream('unkeyed', kafka({ topic: 'unkeyed', key: nullable(string), value }))
const viewRows = builder.table('rows', kafka({ topic: 'rows', key: string, value }))
const history = { historyMs: 1_000 }
const authors = builder.table('authors', kafka({ topic: 'authors', key: string, value: msgpack<Author>() }), history)
const pages = builder.table('pages', kafka({ topic: 'pages', key: msgpack<number>(), value: string }), history)

const clicks = builder.stream('clicks', kafka({ topic: 'clicks', key: string, value: msgpack<Author>() }))
const numbered = builder.stream('numbered', kafka({ topic: 'numbered', key: msgpack<number>(), value: string }))
const countries = builder.globalTable('countries', kafka({ topic: 'countries', key: string, value: msgpack<Author>() }))
const within = { beforeMs: 0, afterMs: 1_000 }

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(): void {
  // @ts-expect-error the keys of pages are numbers
  views.process(joinTable('a', pages, (view, page) => [view, page]))
  // @ts-expect-error the keys of pages are numbers
  unkeyed.process(leftJoinTable('b', pages, (view, page) => [view, page]))
  // @ts-expect-error the keys of pages are numbers
  viewRows.process(joinTable('c', pages, (view, page) => [view, page]))
  // @ts-expect-error the keys of pages are numbers
  viewRows.process(outerJoinTable('d', pages, (view, page) => [view, page]))
  // @ts-expect-error the new key is a text
  views.process(joinTable('e', pages, (view, page) => [view, page], { by: (view) => view.authorId }))
  // @ts-expect-error the row may be missing
  views.process(leftJoinTable('f', authors, (_, author) => author.name))
  // @ts-expect-error either side may be missing
  viewRows.process(outerJoinTable('g', authors, (view) => view.page))
  // @ts-expect-error a stream keeps no rows
  views.process(joinTable('h', authors, (_, author) => author.name, { store: {} }))
  // @ts-expect-error a stream has no rows that nothing comes for
  views.process(outerJoinTable('i', authors, () => 1))
  // @ts-expect-error tables are joined by their own keys
  viewRows.process(joinTable('j', authors, (_, author) => author.name, { by: (view) => view.authorId }))
  // @ts-expect-error an author has no page
  views.process(joinTable('k', authors, (_, author) => author.page))
  // @ts-expect-error the keys of the other stream are numbers
  views.process(joinStream('l', numbered, (view, text) => [view, text], { within }))
  // @ts-expect-error the keys of the other stream are numbers
  unkeyed.process(leftJoinStream('m', numbered, (view, text) => [view, text], { within }))
  // @ts-expect-error the keys of the other stream are numbers
  views.process(outerJoinStream('n', numbered, (view, text) => [view, text], { within }))
  // @ts-expect-error the other side may be missing
  views.process(leftJoinStream('o', clicks, (_, author) => author.name, { within }))
  // @ts-expect-error streams are joined within a stretch of time
  views.process(joinStream('p', clicks, (_, author) => author.name))
  // @ts-expect-error a table waits for nothing
  viewRows.process(joinTable('r', authors, (_, author) => author.name, { graceMs: 5 }))
  // @ts-expect-error the values that wait are views
  views.process(joinTable('s', authors, (_, author) => author.name, { graceMs: 5, input: string }))
  // @ts-expect-error the keys of pages are numbers
  viewRows.process(joinByForeignKey('t', pages, (view, page) => view.page + page, { by: (view) => view.authorId }))
  // @ts-expect-error the other row may be missing
  viewRows.process(leftJoinByForeignKey('u', authors, (_, author) => author.name, { by: (view) => view.authorId }))
  // @ts-expect-error a stream has no rows
  views.process(joinByForeignKey('v', authors, (_, author) => author.name, { by: (view) => view.authorId }))
  // @ts-expect-error the keys of countries are texts
  views.process(joinGlobalTable('w', countries, (_, country) => country.name, { by: (view) => view.page }))
  // @ts-expect-error the row may be missing
  views.process(leftJoinGlobalTable('x', countries, (_, country) => country.name, { by: (view) => view.authorId }))
  // @ts-expect-error rows of a global table are found by a key that the record names
  views.process(joinGlobalTable('y', countries, (_, country) => country.name))
  // @ts-expect-error the values of the left side are views
  views.process(joinStream('q', clicks, (_, author) => author.name, { within, left: string }))
}

test('a stream is joined with a table without annotations', () => {
  expectTypeOf(
    views.process(joinTable('a', authors, (view, author, key) => view.page + author.name.length + key.length)),
  ).toEqualTypeOf<Stream<string, number>>()
  expectTypeOf(unkeyed.process(joinTable('b', authors, (_, author) => author.name))).toEqualTypeOf<
    Stream<string, string>
  >()
  expectTypeOf(unkeyed.process(leftJoinTable('c', authors, (_, author) => author?.name ?? ''))).toEqualTypeOf<
    Stream<string | null, string>
  >()
  expectTypeOf(
    views.process(joinTable('d', pages, (view, page) => view.authorId + page, { by: (view) => view.page })),
  ).toEqualTypeOf<Stream<number, string>>()
  expectTypeOf(
    views.process(
      leftJoinTable('e', pages, (view, page) => page ?? view.authorId, {
        by: (view, key) => (key === '' ? null : view.page),
      }),
    ),
  ).toEqualTypeOf<Stream<number | null, string>>()
  expectTypeOf(
    unkeyed.process(leftJoinTable('f', authors, (_, author, key) => author?.name ?? key, { graceMs: 5, input: value })),
  ).toEqualTypeOf<Stream<string, string>>()
  expectTypeOf(
    views.process(joinTable('g', pages, (view, page) => view.authorId + page, { by: (view) => view.page, graceMs: 5 })),
  ).toEqualTypeOf<Stream<number, string>>()
  expectTypeOf(theseDoNotCompile).toBeFunction()
})

test('tables are joined without annotations', () => {
  expectTypeOf(
    viewRows.process(joinTable('a', authors, (view, author) => ({ ...view, author: author.name }))),
  ).toEqualTypeOf<Table<string, { author: string; authorId: string; page: number }>>()
  expectTypeOf(
    viewRows.process(leftJoinTable('b', authors, (_, author) => author?.name ?? 'unknown', { store: {} })),
  ).toEqualTypeOf<Table<string, string>>()
  expectTypeOf(
    viewRows.process(outerJoinTable('c', authors, (view, author) => view?.page ?? author?.name.length ?? 0)),
  ).toEqualTypeOf<Table<string, number>>()
  const counts = views.toTable(count('d', { by: (view) => view?.authorId ?? null }))
  expectTypeOf(
    counts.process(joinTable('e', authors, (times, author) => `${author.name} ${times.toFixed()}`)),
  ).toEqualTypeOf<Table<string, string>>()
})

test('tables are joined by foreign keys, and streams with global tables, without annotations', () => {
  expectTypeOf(
    viewRows.process(joinByForeignKey('a', pages, (view, page) => view.authorId + page, { by: (view) => view.page })),
  ).toEqualTypeOf<Table<string, string>>()
  expectTypeOf(
    viewRows.process(
      leftJoinByForeignKey('b', authors, (_, author, key) => author?.name.length ?? key.length, {
        by: (view) => (view.page > 0 ? view.authorId : null),
        store: { storage: 'memory' },
      }),
    ),
  ).toEqualTypeOf<Table<string, number>>()
  expectTypeOf(
    unkeyed.process(
      joinGlobalTable('c', countries, (view, { name }) => view.page + name, { by: (view) => view.authorId }),
    ),
  ).toEqualTypeOf<Stream<string | null, string>>()
  expectTypeOf(
    views.process(
      leftJoinGlobalTable('d', countries, (_, country, key) => country?.name ?? key, { by: (_, key) => key }),
    ),
  ).toEqualTypeOf<Stream<string, string>>()
})

test('streams are joined without annotations', () => {
  expectTypeOf(
    unkeyed.process(joinStream('a', clicks, (view, author, key) => view.page + author.name + key.length, { within })),
  ).toEqualTypeOf<Stream<string, string>>()
  expectTypeOf(
    views.process(joinStream('b', unkeyed, (view, other) => view.page + other.page, { within })),
  ).toEqualTypeOf<Stream<string, number>>()
  expectTypeOf(
    unkeyed.process(leftJoinStream('c', clicks, (_, author) => author?.name ?? '', { within, key: string })),
  ).toEqualTypeOf<Stream<string | null, string>>()
  expectTypeOf(
    views.process(outerJoinStream('d', unkeyed, (view, other) => (view ?? other)?.page ?? 0, { within })),
  ).toEqualTypeOf<Stream<string | null, number>>()
})
