import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { Command, Option } from 'commander'
import { reasonOf, StreamError } from '../errors.ts'
import { describeAsMermaid, describeAsText, describeTopology, type TopologyDescription } from '../topology/describe.ts'
import { diffTopologies, losesState, type TopologyChange } from '../topology/diff-topologies.ts'
import type { Topology } from '../topology/topology.ts'
import { loadProgram } from './load-program.ts'

const formats: Readonly<Record<string, (topology: Topology) => string>> = {
  text: describeAsText,
  json: (topology) => JSON.stringify(describeTopology(topology), null, 2),
  mermaid: describeAsMermaid,
}

interface DescribeOptions {
  readonly format: string
  readonly json?: true
  readonly against?: string
}

export function describeCommand(): Command {
  return new Command('describe')
    .description('Print the graph of a topology, its stores and its internal topics.')
    .argument('<file>', 'pipeline (.yaml), or topology file (TypeScript or JavaScript)')
    .addOption(new Option('--format <format>', 'how to print it').choices(Object.keys(formats)).default('text'))
    .option('--json', 'the same as --format json')
    .option(
      '--against <file>',
      'the version before: print what has changed instead; exit 1 when state would be lost. A program, or what --json printed of it',
    )
    .action(describe)
}

async function describe(file: string, { format, json, against }: DescribeOptions): Promise<void> {
  const { topology } = await loadProgram(file)
  if (against === undefined) {
    const print = formats[json ? 'json' : format] ?? describeAsText
    process.stdout.write(`${print(topology)}\n`)
    return
  }
  const changes = diffTopologies(await descriptionIn(against), describeTopology(topology))
  const isLost = changes.some(losesState)
  if (json || format === 'json') process.stdout.write(`${JSON.stringify({ losesState: isLost, changes }, null, 2)}\n`)
  else process.stdout.write(textOf(changes))
  if (isLost) process.exitCode = 1
}

function textOf(changes: readonly TopologyChange[]): string {
  if (changes.length === 0) return 'no store and no topic has changed\n'
  const marks = { none: ' ', 'begins-empty': '!', orphaned: '-', refused: 'x' } as const
  const lines = changes.map(
    ({ what, name, change, effect, says }) => `${marks[effect]} ${what} ${name} is ${change}: ${says}\n`,
  )
  const lost = changes.filter(losesState).length
  return `${lines.join('')}${lost === 0 ? 'no state is lost' : `state is lost in ${lost} of ${changes.length} changes`}\n`
}

async function descriptionIn(file: string): Promise<TopologyDescription> {
  if (extname(file).toLowerCase() !== '.json') return describeTopology((await loadProgram(file)).topology)
  try {
    const found: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (isDescription(found)) return found
  } catch (cause) {
    throw new StreamError('TOPOLOGY_FILE', `${file} cannot be read: ${reasonOf(cause)}`, { cause, fix })
  }
  throw new StreamError('TOPOLOGY_FILE', `${file} is no description of a topology that this version understands`, {
    fix,
  })
}

const fix = 'Make it with `millrace describe <file> --json` of the version before.'

/** As far as that is looked at. */
function isDescription(value: unknown): value is TopologyDescription {
  const { subtopologies, repartitions, globalTables, internalTopics } = Object(value) as Partial<TopologyDescription>
  if (![subtopologies, repartitions, globalTables, internalTopics].every(Array.isArray)) return false
  return subtopologies?.every(({ topics, stores }) => Array.isArray(topics) && Array.isArray(stores)) ?? false
}
