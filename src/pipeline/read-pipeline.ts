import { stringify } from 'yaml'
import type { RuntimeSettingsInput } from '../config.ts'
import type { Topology } from '../topology/topology.ts'
import { type CompileContext, compilePipeline, type KafkaConnection, kafkaConnectionOf } from './compile.ts'
import { explain } from './explain.ts'
import { interpolate, type References } from './interpolate.ts'
import { schemasAt } from './json-schema.ts'
import { parseYaml } from './parse-yaml.ts'
import { type Path, type Problem, pathText, pipelineError, problemAt } from './problem.ts'
import { brokenRules, type ValidSections } from './rules.ts'
import { type PipelineDescription, pipelineSchema } from './schema/pipeline.ts'
import { Secrets } from './secrets.ts'
import { dataOf, mapScalars, placeOf, scalarsOf, type YamlNode, type YamlScalar } from './yaml-tree.ts'

export interface ReadPipelineOptions extends References, CompileContext {
  /** What the file is called in messages. */
  readonly name: string
}

/** A pipeline file, ready to run. */
export interface Pipeline {
  readonly topology: Topology
  readonly kafka: KafkaConnection
  /** The settings of its runtime. */
  readonly settings: RuntimeSettingsInput
  /** The effective configuration as YAML, references replaced and settings filled in, without any secret. */
  readonly print: () => string
}

/**
 * Reads a declarative pipeline (YAML). Does no I/O but reading the files that `${file:...}` names.
 *
 * Throws CONFIG_INVALID with everything that is wrong, each with line and column, also in `details.problems`; no message holds a secret.
 *
 * @example
 * const { topology } = readPipeline(text, { name: 'millrace.yaml', environment, readFile: readSecretFile })
 */
export function readPipeline(text: string, options: ReadPipelineOptions): Pipeline {
  const { root, problems: syntax } = parseYaml(text)
  if (!root) throw pipelineError(options.name, syntax)
  const { tree, problems: unresolved } = resolved(root, options)
  const checked = check(tree, options)
  const secrets = Secrets.in(checked.tree)
  const problems = [...syntax, ...unresolved, ...checked.problems]
  if (problems.length > 0 || !checked.description) {
    const shown = problems.map((problem) => ({ ...problem, message: secrets.redact(problem.message) }))
    throw pipelineError(options.name, shown)
  }
  const { description } = checked
  return {
    topology: compilePipeline(description, options),
    kafka: kafkaConnectionOf(description.kafka, options.readFile),
    settings: settingsOf(description),
    print: () => stringify(secrets.redactData(description)),
  }
}

function resolved(
  root: YamlNode,
  references: References,
): { readonly tree: YamlNode; readonly problems: readonly Problem[] } {
  const problems: Problem[] = []
  const tree = mapScalars(root, (scalar, path) => {
    if (typeof scalar.value !== 'string') return scalar
    const { text, problems: own, origin } = interpolate(scalar.value, references)
    problems.push(...own.map((message) => problemAt(scalar, path, message)))
    if (own.length > 0) return { ...scalar, value: '', broken: true }
    return { ...scalar, value: text, ...(origin && { origin }) }
  })
  return { tree, problems }
}

const isKnown = (path: Path): boolean => schemasAt(path).length > 0

interface Checked {
  readonly tree: YamlNode
  readonly description: PipelineDescription | undefined
  readonly problems: readonly Problem[]
}

function check(given: YamlNode, context: CompileContext): Checked {
  const tree = withNumbers(given)
  const data = dataOf(tree, isKnown)
  const result = pipelineSchema.safeParse(data)
  const told = new Set(scalarsOf(tree).flatMap(({ path, scalar }) => (scalar.broken ? [pathText(path)] : [])))
  const issues = (result.error?.issues ?? []).filter(({ path }) => !told.has(pathText(path as Path)))
  const rules = brokenRules(validSections(data), context)
  const problems = [
    ...explain(issues, tree, data),
    ...rules.map(({ path, message }) => problemAt(placeOf(tree, path), path, message)),
  ]
  return { tree, description: result.data, problems }
}

/** A reference gives text. Where the schema refuses it, a text that reads as a number or as true or false becomes one. */
function withNumbers(tree: YamlNode): YamlNode {
  const issues = pipelineSchema.safeParse(dataOf(tree, isKnown)).error?.issues ?? []
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

/** Parts that are valid are looked at further even when others are not. */
function validSections(data: unknown): ValidSections {
  const sections: Readonly<Record<string, unknown>> = typeof data === 'object' && data !== null ? { ...data } : {}
  const valid = Object.entries(pipelineSchema.shape).flatMap(([name, schema]) => {
    const { success, data: section } = schema.safeParse(sections[name])
    return success && section !== undefined ? [[name, section] as const] : []
  })
  return Object.fromEntries(valid)
}

function settingsOf({ application, runtime, deadLetters }: PipelineDescription): RuntimeSettingsInput {
  const { topic, ...reactions } = deadLetters
  return { application, ...runtime, ...reactions, ...(topic !== undefined && { deadLetterTopic: topic }) }
}
