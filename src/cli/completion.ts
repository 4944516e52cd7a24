import { Argument, Command } from 'commander'
import { completedCommands } from './completion/command-tree.ts'
import { shells } from './completion/shells.ts'

/** `program` has all commands by the time that somebody asks. */
export function completionCommand(program: Command): Command {
  return new Command('completion')
    .description('Print a script that completes commands, options and their values in a shell.')
    .addArgument(new Argument('<shell>', 'bash: source <(millrace completion bash)').choices(Object.keys(shells)))
    .action((shell: keyof typeof shells) => {
      process.stdout.write(shells[shell](completedCommands(program)))
    })
}
