import { stringify } from 'yaml'
import type { RuntimeSettingsInput } from '../config.ts'
import type { Topology } from '../topology/topology.ts'
import { checked } from './checked.ts'
import { type CompileContext, compilePipeline, type KafkaConnection, kafkaConnectionOf } from './compile.ts'
import type { References } from './interpolate.ts'
import { parseYaml } from './parse-yaml.ts'
import { pipelineError, problemAt } from './problem.ts'
import { resolved } from './references.ts'
import { brokenRules, type ValidSections } from './rules.ts'
import { type PipelineDescription, pipelineSchema } from './schema/pipeline.ts'
import { Secrets } from './secrets.ts'
import { placeOf } from './yaml-tree.ts'

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
  const { tree: given, problems: unresolved } = resolved(root, options)
  const { tree, data, value: description, problems: invalid } = checked(given, pipelineSchema)
  const isGiven = (section: string) => Object.hasOwn(Object(data), section)
  const broken = brokenRules(validSections(data), isGiven, options)
  const rules = broken.map(({ path, message }) => problemAt(placeOf(tree, path), path, message))
  const secrets = Secrets.in(tree)
  const problems = [...syntax, ...unresolved, ...invalid, ...rules]
  if (problems.length > 0 || !description) {
    const shown = problems.map((problem) => ({ ...problem, message: secrets.redact(problem.message) }))
    throw pipelineError(options.name, shown)
  }
  return {
    topology: compilePipeline(description, options),
    kafka: kafkaConnectionOf(description.kafka, options.readFile),
    settings: settingsOf(description),
    print: () => stringify(secrets.redactData(description)),
  }
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
