import type { z } from 'zod'
import { nearestName } from '../nearest-name.ts'
import { keysAt, schemaKeys, schemasAt, typesOf } from './json-schema.ts'
import { type Path, type Problem, problemAt } from './problem.ts'
import { pipelineSchema } from './schema/pipeline.ts'
import { keyPlaceOf, placeOf, type YamlNode } from './yaml-tree.ts'

type Issue = z.core.$ZodIssue

/** What zod found, in words that name what was expected and never what was there. */
export function explain(issues: readonly Issue[], tree: YamlNode, data: unknown): readonly Problem[] {
  return issues.flatMap((issue) => explained(issue, tree, data))
}

function explained(issue: Issue, tree: YamlNode, data: unknown): readonly Problem[] {
  const path = issue.path as Path
  if (issue.code === 'unrecognized_keys') return issue.keys.map((key) => unknownKey([...path, key], tree))
  if (issue.code === 'invalid_union' && issue.errors.length > 0)
    return explainedUnion(issue.errors, path, { tree, data })
  const found = valueAt(data, path)
  const message =
    found === undefined && isAboutKind(issue)
      ? `is missing; ${neededAt(path) ?? expectedAt(path)}`
      : messageOf(issue, found)
  const place = issue.code === 'invalid_key' ? keyPlaceOf(tree, path) : placeOf(tree, path)
  return [problemAt(place, path, message, nearestValue(issue, found))]
}

/** A name that is no name may be a value whose colon lacks its blank: it is not repeated. */
function unknownKey(path: Path, tree: YamlNode): Problem {
  const key = String(path.at(-1))
  const section = path.slice(0, -1)
  const place = keyPlaceOf(tree, path)
  if (!/^[\w.-]{1,64}$/.test(key))
    return problemAt(place, section, 'there is a key that is no name; behind the colon of a key stands a blank')
  const known = keysAt(section)
  if (known.includes(key)) return problemAt(place, path, 'does not go with the other keys here')
  const nearest = nearestName(key, known)
  if (nearest !== undefined) return problemAt(place, path, 'there is no such key', nearest)
  const [elsewhere] = schemaKeys().filter((candidate) => candidate.path.at(-1) === key)
  const hint = elsewhere
    ? `it belongs to ${elsewhere.path.slice(0, -1).join('.') || 'the top'}`
    : `known are ${known.join(', ')}`
  return problemAt(place, path, `there is no such key here; ${hint}`)
}

/** The problems of the alternative that was most likely meant: the one with the fewest. */
function explainedUnion(
  errors: readonly (readonly Issue[])[],
  path: Path,
  { tree, data }: { readonly tree: YamlNode; readonly data: unknown },
): readonly Problem[] {
  const found = valueAt(data, path)
  const fitting = errors.filter((issues) => !issues.some((issue) => issue.path.length === 0 && isAboutKind(issue)))
  const [best] = fitting.toSorted((a, b) => weightOf(a) - weightOf(b))
  if (best) return best.flatMap((issue) => explained({ ...issue, path: [...path, ...issue.path] }, tree, data))
  const message = `${found === undefined ? 'is missing; ' : ''}${expectedAt(path)}${found === undefined ? '' : `, not ${kindOf(found)}`}`
  return [problemAt(placeOf(tree, path), path, message)]
}

function weightOf(issues: readonly Issue[]): number {
  return issues.reduce((sum, issue) => sum + (issue.code === 'unrecognized_keys' ? issue.keys.length : 1), 0)
}

/** A union without errors of its alternatives found none that goes by such a value. */
function isAboutKind({ code }: Issue): boolean {
  return code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union'
}

function messageOf(issue: Issue, found: unknown): string {
  if (isAboutKind(issue)) {
    const isOfThatKind = issue.code !== 'invalid_type' || (issue.expected === 'int' && typeof found === 'number')
    return isOfThatKind ? expectedAt(issue.path as Path) : `${expectedAt(issue.path as Path)}, not ${kindOf(found)}`
  }
  if (issue.code === 'too_small')
    return issue.origin === 'string' || issue.origin === 'array'
      ? 'must not be empty'
      : `must be at least ${issue.minimum}`
  if (issue.code === 'too_big') return `must be at most ${issue.maximum}`
  if (issue.code === 'invalid_key') return issue.issues[0]?.message ?? issue.message
  return issue.message
}

function nearestValue(issue: Issue, found: unknown): string | undefined {
  if (!isAboutKind(issue) || typeof found !== 'string') return undefined
  const values = schemasAt(issue.path as Path).flatMap(
    (schema) => schema.enum ?? (schema.const === undefined ? [] : [schema.const]),
  )
  return nearestName(found, values.map(String))
}

/** Of a section that is not there: what an empty one would be told that it lacks. Undefined for what is no section. */
function neededAt(path: Path): string | undefined {
  const [section] = path
  if (section === undefined || path.length > 1) return undefined
  const { error } = pipelineSchema.safeParse({ [section]: {} })
  const own = (error?.issues ?? []).filter((issue) => issue.path[0] === section)
  const choice = own.find((issue) => issue.code === 'custom' && issue.path.length === 1)
  if (choice) return `it ${choice.message}`
  const keys = own.flatMap((issue) => (issue.path.length === 2 ? [String(issue.path[1])] : []))
  return keys.length > 0 ? `expected a section with ${keys.join(', ')}` : undefined
}

/** `expected a whole number or one of measure` */
function expectedAt(path: Path): string {
  const words = schemasAt(path).flatMap((schema) => {
    if (schema.const !== undefined) return [JSON.stringify(schema.const)]
    if (schema.enum) return [`one of ${schema.enum.join(', ')}`]
    return typesOf(schema).map((type) => kinds[type] ?? type)
  })
  return `expected ${[...new Set(words)].join(' or ')}`
}

const kinds: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  integer: 'a whole number',
  boolean: 'true or false',
  object: 'a section with keys',
  array: 'a list',
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a section with keys'
  if (typeof value === 'string') return 'text'
  return typeof value === 'number' ? 'a number' : String(value)
}

function valueAt(data: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (value, part) =>
      typeof value === 'object' && value !== null && Object.hasOwn(value, part) ? Reflect.get(value, part) : undefined,
    data,
  )
}
