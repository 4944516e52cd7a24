import { Command } from 'commander'
import { describeCommand } from './describe.ts'
import { runCommand } from './run.ts'
import { readVersion, versionCommand } from './version.ts'

/** The command line. Each command is a file; this one only lists them. */
export function createProgram(): Command {
  const program = new Command('millrace')
    .description('Keeps a vector index equal to documents that change.')
    .version(readVersion(), '-V, --version')
    .showHelpAfterError('(see --help)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'USAGE: ')) })
    .exitOverride()
  for (const command of [runCommand(), describeCommand(), versionCommand()]) program.addCommand(command)
  for (const command of program.commands) command.copyInheritedSettings(program)
  return program
}
