import { Argument, Command, InvalidArgumentError } from 'commander'
import { completedCommands } from './completion/command-tree.ts'
import { shells } from './completion/shells.ts'

/** A shell would take anything else for more than a word. */
function commandName(value: string): string {
  if (/^[\w.-]+$/.test(value)) return value
  throw new InvalidArgumentError('It must be one word, such as the name of an alias.')
}

/** `program` has all commands by the time that somebody asks. */
export function completionCommand(program: Command): Command {
  return new Command('completion')
    .description('Print a script that completes commands, options and their values in a shell.')
    .addArgument(new Argument('<shell>', 'bash: source <(millrace completion bash)').choices(Object.keys(shells)))
    .option('--name <command>', 'how you call it, where that is an alias of one word', commandName, 'millrace')
    .action((shell: keyof typeof shells, { name }: { name: string }) => {
      process.stdout.write(shells[shell](completedCommands(program), name))
    })
}
