import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { generatedFiles, leftOverFiles, valueRows } from '../../scripts/chart.ts'
import { chartFolder, features, valuesFile } from '../support/chart.ts'

test('what the chart has from elsewhere is up to date: `npm run chart` writes it', () => {
  for (const [path, content] of generatedFiles()) {
    const file = join(chartFolder, path)
    expect(existsSync(file) ? readFileSync(file, 'utf8') : 'missing', path).toBe(content)
  }
  expect(leftOverFiles()).toEqual([])
})

test('a value without a description cannot be', () => {
  expect(() => valueRows('# -- One.\na: 1\nb: 2\n')).toThrow('values.yaml: b has no comment that starts with "--"')
})

interface Schema {
  readonly type?: unknown
  readonly properties?: Readonly<Record<string, Schema>>
  readonly additionalProperties?: unknown
  readonly $ref?: string
}

test('the schema knows each value, and refuses what it does not know', () => {
  const schema = JSON.parse(readFileSync(join(chartFolder, 'values.schema.json'), 'utf8')) as Schema
  const values: unknown = parse(readFileSync(join(chartFolder, 'values.yaml'), 'utf8'))

  // `global` is what Helm gives to a chart that is part of another one.
  expect(differences(schema, values, '').filter((place) => place !== '.global')).toEqual([])
})

/** Places that only one of the two has, and maps with fixed names that take others too. */
function differences(schema: Schema, values: unknown, place: string): string[] {
  if (schema.properties === undefined || typeof values !== 'object' || values === null) return []
  const names = new Set([...Object.keys(schema.properties), ...Object.keys(values)])
  const open = schema.additionalProperties === false ? [] : [`${place} takes further names`]
  return [
    ...open,
    ...[...names].flatMap((name) => {
      const inner = schema.properties?.[name]
      const value: unknown = Reflect.get(values, name)
      return inner === undefined || value === undefined
        ? [`${place}.${name}`]
        : differences(inner, value, `${place}.${name}`)
    }),
  ]
}

test.each(features)('the values of %s begin with what they show', (feature) => {
  expect(readFileSync(valuesFile(feature), 'utf8')).toMatch(/^# [A-Z].*\.\n/)
})
