import { expect, test } from 'vitest'
import { predicateOf } from '../../src/pipeline/conditions.ts'
import { type Filter, filterSchema, testNames } from '../../src/pipeline/schema/source.ts'

const document = { n: 3, text: 'grain', date: '2026-05-01', tags: ['a', 'b'], yes: true, nothing: null, deep: { x: 1 } }

const cases: readonly [Filter[number], boolean][] = [
  [{ field: 'n', equals: 3 }, true],
  [{ field: 'n', equals: '3' }, false],
  [{ field: 'deep.x', equals: 1 }, true],
  [{ field: 'none', equals: 1 }, false],
  [{ field: 'n', notEquals: 3 }, false],
  [{ field: 'none', notEquals: 3 }, true],
  [{ field: 'text', in: ['grain', 'flour'] }, true],
  [{ field: 'text', in: ['flour'] }, false],
  [{ field: 'text', notIn: ['grain'] }, false],
  [{ field: 'none', notIn: ['grain'] }, true],
  [{ field: 'nothing', exists: true }, false],
  [{ field: 'nothing', exists: false }, true],
  [{ field: 'n', exists: true }, true],
  [{ field: 'n', atLeast: 3 }, true],
  [{ field: 'n', atLeast: 4 }, false],
  [{ field: 'n', atMost: 3 }, true],
  [{ field: 'n', atMost: 2 }, false],
  [{ field: 'date', atLeast: '2026-04-30' }, true],
  [{ field: 'date', atMost: '2026-04-30' }, false],
  [{ field: 'date', atLeast: 1 }, false],
  [{ field: 'text', startsWith: 'gr' }, true],
  [{ field: 'text', startsWith: 'ra' }, false],
  [{ field: 'text', endsWith: 'in' }, true],
  [{ field: 'text', endsWith: 'ra' }, false],
  [{ field: 'text', contains: 'rai' }, true],
  [{ field: 'tags', contains: 'b' }, true],
  [{ field: 'tags', contains: 'c' }, false],
  [{ field: 'n', contains: '3' }, false],
  [{ field: '$key', startsWith: 'docs/' }, true],
  [{ field: '$key', endsWith: '.txt' }, false],
  [
    {
      any: [
        { field: 'n', equals: 4 },
        { field: 'yes', equals: true },
      ],
    },
    true,
  ],
  [
    {
      any: [
        { field: 'n', equals: 4 },
        { field: 'yes', equals: false },
      ],
    },
    false,
  ],
]

test.each(cases)('%j holds: %s', (condition, expected) => {
  expect(filterSchema.parse([condition])).toEqual([condition])
  expect(predicateOf([condition])(document, 'docs/a.md')).toBe(expected)
})

test('every test is tried', () => {
  const used = new Set(
    cases.flatMap(([condition]) => ('any' in condition ? condition.any : [condition])).flatMap(Object.keys),
  )

  expect(testNames.filter((name) => !used.has(name))).toEqual([])
})

test('all conditions have to hold', () => {
  const holds = predicateOf([
    { field: 'n', equals: 3 },
    { field: 'yes', equals: false },
  ])

  expect(holds(document, 'a')).toBe(false)
  expect(predicateOf([])(document, 'a')).toBe(true)
})
