import { Command } from 'commander'
import { isStreamError, StreamError } from '../errors.ts'
import { describeTopology } from '../topology/describe.ts'
import type { Topology } from '../topology/topology.ts'
import { isPipelineFile, loadPipeline } from './load-program.ts'
import { loadTopology } from './load-topology.ts'

interface ValidateOptions {
  readonly print?: true
  readonly json?: true
}

export function validateCommand(): Command {
  return new Command('validate')
    .description(
      'Check a pipeline or topology file without starting anything: every problem at once, each with its place.',
    )
    .argument('<file>', 'pipeline (.yaml), or topology file (TypeScript or JavaScript)')
    .option('--print', 'print the effective configuration of a pipeline, without secrets')
    .option('--json', 'one line {"file","valid","problems"} on stdout')
    .action(validate)
}

async function validate(file: string, options: ValidateOptions): Promise<void> {
  try {
    if (options.print && !isPipelineFile(file))
      throw new StreamError('USAGE', '--print needs a pipeline file: a topology has no configuration')
    const { topology, print } = await loaded(file)
    if (options.json) return writeVerdict(file, [])
    process.stdout.write((options.print && print?.()) ?? `${file} is valid: ${summaryOf(topology)}\n`)
  } catch (error) {
    if (!options.json || !isStreamError(error)) throw error
    writeVerdict(file, problemsOf(error))
    process.exitCode = error.exitCode
  }
}

async function loaded(file: string): Promise<{ readonly topology: Topology; readonly print?: () => string }> {
  return isPipelineFile(file) ? loadPipeline(file) : { topology: await loadTopology(file) }
}

/** `topic documents -> qdrant:documents`: what is outside of the application. */
function summaryOf(topology: Topology): string {
  const { subtopologies, globalTables } = describeTopology(topology)
  const internal = new Set(
    [...topology.nodes.values()].flatMap((node) => (node.kind !== 'processor' && node.internal ? [node.name] : [])),
  )
  const nodes = subtopologies.flatMap((part) => part.nodes).filter(({ name }) => !internal.has(name))
  const ends = (kind: 'source' | 'sink') => nodes.filter((node) => node.kind === kind).map(({ does }) => does)
  const tables = globalTables.map(({ topic }) => `topic ${topic} (global table)`)
  const targets = ends('sink')
  return [[...ends('source'), ...tables].join(', '), ...(targets.length > 0 ? [targets.join(', ')] : [])].join(' -> ')
}

function writeVerdict(file: string, problems: readonly unknown[]): void {
  process.stdout.write(`${JSON.stringify({ file, valid: problems.length === 0, problems })}\n`)
}

/** A list of a builder holds sentences, that of a pipeline sentences with places; everything else is one problem. */
function problemsOf({ code, fact, details }: StreamError): readonly unknown[] {
  const { problems } = details
  if (!Array.isArray(problems)) return [{ code, message: fact }]
  return problems.map((problem: unknown) =>
    typeof problem === 'string' ? { code, message: problem } : { code, ...Object(problem) },
  )
}
