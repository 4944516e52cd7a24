import { Command, Option } from 'commander'
import { describeAsMermaid, describeAsText, describeTopology } from '../topology/describe.ts'
import type { Topology } from '../topology/topology.ts'
import { loadProgram } from './load-program.ts'

const formats: Readonly<Record<string, (topology: Topology) => string>> = {
  text: describeAsText,
  json: (topology) => JSON.stringify(describeTopology(topology), null, 2),
  mermaid: describeAsMermaid,
}

export function describeCommand(): Command {
  return new Command('describe')
    .description('Print the graph of a topology, its stores and its internal topics.')
    .argument('<file>', 'pipeline (.yaml), or topology file (TypeScript or JavaScript)')
    .addOption(new Option('--format <format>', 'how to print it').choices(Object.keys(formats)).default('text'))
    .option('--json', 'the same as --format json')
    .action(async (file: string, options: { format: string; json?: true }) => {
      const { topology } = await loadProgram(file)
      const print = formats[options.json ? 'json' : options.format] ?? describeAsText
      process.stdout.write(`${print(topology)}\n`)
    })
}
