import { Command } from 'commander'
import { readVersion } from '../version.ts'
import { auditCommand } from './audit.ts'
import { completionCommand } from './completion.ts'
import { dashboardsCommand } from './dashboards.ts'
import { describeCommand } from './describe.ts'
import { dlqCommand } from './dlq.ts'
import { doctorCommand } from './doctor.ts'
import { exportCommand } from './export.ts'
import { indexCommand } from './index-documents.ts'
import { initCommand } from './init.ts'
import { modelCommand } from './model.ts'
import { planCommand } from './plan.ts'
import { produceCommand } from './produce.ts'
import { resetCommand } from './reset.ts'
import { runCommand } from './run.ts'
import { searchCommand } from './search.ts'
import { tapCommand } from './tap.ts'
import { topCommand } from './top.ts'
import { validateCommand } from './validate.ts'
import { versionCommand } from './version.ts'

/** The command line. Each command is a file; this one only lists them. */
export function createProgram(): Command {
  const program = new Command('millrace')
    .description('Keeps a vector index equal to documents that change.')
    .version(readVersion(), '-V, --version')
    .showHelpAfterError('(see --help)')
    .configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'USAGE: ')) })
    .exitOverride()
  const commands = [
    indexCommand(),
    searchCommand(),
    exportCommand(),
    auditCommand(),
    produceCommand(),
    initCommand(),
    validateCommand(),
    runCommand(),
    planCommand(),
    doctorCommand(),
    resetCommand(),
    describeCommand(),
    topCommand(),
    tapCommand(),
    dlqCommand(),
    modelCommand(),
    dashboardsCommand(),
    completionCommand(program),
    versionCommand(),
  ]
  for (const command of commands) program.addCommand(command)
  for (const command of program.commands) inherit(command, program)
  return program
}

function inherit(command: Command, parent: Command): void {
  command.copyInheritedSettings(parent)
  for (const inner of command.commands) inherit(inner, command)
}
