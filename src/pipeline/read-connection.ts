import { z } from 'zod'
import { checked } from './checked.ts'
import { type KafkaConnection, kafkaConnectionOf } from './compile.ts'
import type { References } from './interpolate.ts'
import { parseYaml } from './parse-yaml.ts'
import { pipelineError, problemAt } from './problem.ts'
import { resolved } from './references.ts'
import { kafkaSchema } from './schema/kafka.ts'
import { Secrets } from './secrets.ts'
import type { YamlNode } from './yaml-tree.ts'

const connectionSchema = z.strictObject({ kafka: kafkaSchema })

export interface ReadConnectionOptions extends References {
  /** What the file is called in messages. */
  readonly name: string
}

/**
 * Reads how to reach Kafka: the section `kafka` of a pipeline file, whatever else the file holds or does not. References elsewhere are
 * not looked at.
 *
 * Throws CONFIG_INVALID with everything that is wrong with the section; no message holds a secret.
 */
export function readKafkaConnection(text: string, options: ReadConnectionOptions): KafkaConnection {
  const { name, readFile } = options
  const { root, problems: syntax } = parseYaml(text)
  const section = root && onlyKafka(root)
  if (syntax.length > 0) throw pipelineError(name, syntax)
  if (!section) throw pipelineError(name, [problemAt({ line: 1, column: 1 }, ['kafka'], 'is missing')])
  const { tree: given, problems: unresolved } = resolved(section, options)
  const { tree, value, problems: invalid } = checked(given, connectionSchema)
  const problems = [...unresolved, ...invalid]
  if (problems.length === 0 && value) return kafkaConnectionOf(value.kafka, readFile)
  const secrets = Secrets.in(tree)
  throw pipelineError(
    name,
    problems.map((problem) => ({ ...problem, message: secrets.redact(problem.message) })),
  )
}

function onlyKafka(root: YamlNode): YamlNode | undefined {
  if (root.kind !== 'map') return undefined
  const entries = root.entries.filter(({ key }) => key === 'kafka')
  return entries.length > 0 ? { ...root, entries } : undefined
}
