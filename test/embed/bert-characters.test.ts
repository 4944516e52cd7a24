import { expect, test } from 'vitest'
import { dropped, ideographs, marks, punctuation, spaces, undecomposed } from '../../src/embed/bert-characters.ts'
import { readFixture } from '../support/embed-fixtures.ts'

test.each([
  ['drop', dropped],
  ['space', spaces],
  ['cjk', ideographs],
  ['mark', marks],
  ['punct', punctuation],
  ['noNfd', undecomposed],
])('unpacks to the probed ranges "%s"', (probed, ranges) => {
  const tables = JSON.parse(readFixture('embed/bert-tables.json')) as Record<string, readonly number[]>

  expect(ranges()).toEqual(tables[probed])
})
