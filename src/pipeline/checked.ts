import type { z } from 'zod'
import { explain } from './explain.ts'
import { schemasAt } from './json-schema.ts'
import { type Path, type Problem, pathText } from './problem.ts'
import { dataOf, mapScalars, scalarsOf, type YamlNode, type YamlScalar } from './yaml-tree.ts'

/** What a schema says to a tree whose references are resolved. */
export interface Checked<Value> {
  /** With texts of references as what they stand for. */
  readonly tree: YamlNode
  /** As it was found. */
  readonly data: unknown
  /** As the schema has it; undefined with a problem. */
  readonly value: Value | undefined
  readonly problems: readonly Problem[]
}

/** Holds a pipeline, or a part of one under its own keys, against its schema. */
export function checked<Value>(given: YamlNode, schema: z.ZodType<Value>): Checked<Value> {
  const tree = withNumbers(given, schema)
  const data = dataOf(tree, isKnown)
  const { error, data: value } = schema.safeParse(data)
  const told = toldIn(tree)
  const issues = (error?.issues ?? []).filter(({ path }) => !told.has(pathText(path as Path)))
  return { tree, data, value, problems: explain(issues, tree, data) }
}

/** Paths of values that are missing because their reference stands for nothing: what the schema says of them is no news. */
function toldIn(tree: YamlNode): ReadonlySet<string> {
  return new Set(scalarsOf(tree).flatMap(({ path, scalar }) => (scalar.broken ? [pathText(path)] : [])))
}

/** A key of a pipeline. */
const isKnown = (path: Path): boolean => schemasAt(path).length > 0

/** A reference gives text. Where the schema refuses it, a text that reads as a number or as true or false becomes one. */
function withNumbers(tree: YamlNode, schema: z.ZodType): YamlNode {
  const issues = schema.safeParse(dataOf(tree, isKnown)).error?.issues ?? []
  const ofAnotherType = issues.filter(({ code }) => code === 'invalid_type' || code === 'invalid_union')
  const refused = new Set(ofAnotherType.map(({ path }) => pathText(path as Path)))
  if (refused.size === 0) return tree
  return mapScalars(tree, (scalar, path) =>
    scalar.origin !== undefined && refused.has(pathText(path)) ? converted(scalar) : scalar,
  )
}

function converted(scalar: YamlScalar): YamlScalar {
  const text = String(scalar.value).trim()
  if (/^-?\d+(\.\d+)?$/.test(text)) return { ...scalar, value: Number(text) }
  return text === 'true' || text === 'false' ? { ...scalar, value: text === 'true' } : scalar
}
