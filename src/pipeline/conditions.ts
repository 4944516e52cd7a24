import { fieldReader } from './field-path.ts'
import { type Condition, type Filter, keyField, testNames } from './schema/source.ts'

type Predicate = (value: unknown, key: string) => boolean

/** Whether all conditions of a filter hold for a value and its key. */
export function predicateOf(filter: Filter): Predicate {
  const all = filter.map((entry) => ('any' in entry ? anyOf(entry.any) : conditionOf(entry)))
  return (value, key) => all.every((holds) => holds(value, key))
}

function anyOf(conditions: readonly Condition[]): Predicate {
  const some = conditions.map(conditionOf)
  return (value, key) => some.some((holds) => holds(value, key))
}

function conditionOf(condition: Condition): Predicate {
  const holds = testOf(condition)
  if (condition.field === keyField) return (_, key) => holds(key)
  const read = fieldReader(condition.field)
  return (value) => holds(read(value))
}

type Test = (found: unknown) => boolean

/** Each makes a test of what the condition wants. */
const tests: { readonly [Name in (typeof testNames)[number]]: (wanted: NonNullable<Condition[Name]>) => Test } = {
  equals: (wanted) => (found) => found === wanted,
  notEquals: (wanted) => (found) => found !== wanted,
  in: (wanted) => isMember(wanted),
  notIn: (wanted) => not(isMember(wanted)),
  exists: (wanted) => (found) => (found !== undefined && found !== null) === wanted,
  atLeast: (wanted) => (found) => isComparable(found, wanted) && found >= wanted,
  atMost: (wanted) => (found) => isComparable(found, wanted) && found <= wanted,
  startsWith: (wanted) => (found) => typeof found === 'string' && found.startsWith(wanted),
  endsWith: (wanted) => (found) => typeof found === 'string' && found.endsWith(wanted),
  contains: (wanted) => (found) =>
    Array.isArray(found) ? found.includes(wanted) : typeof found === 'string' && found.includes(String(wanted)),
}

function testOf(condition: Condition): Test {
  const name = testNames.find((candidate) => candidate in condition)
  return name === undefined ? () => true : testNamed(name, condition)
}

function testNamed<Name extends (typeof testNames)[number]>(name: Name, condition: Condition): Test {
  const wanted = condition[name]
  return wanted === undefined ? () => true : tests[name](wanted)
}

function isMember(wanted: readonly unknown[]): Test {
  const members = new Set(wanted)
  return (found) => members.has(found)
}

function not(test: Test): Test {
  return (found) => !test(found)
}

/** Numbers with numbers, texts with texts. */
function isComparable<T extends string | number>(found: unknown, wanted: T): found is T {
  return typeof found === typeof wanted
}
