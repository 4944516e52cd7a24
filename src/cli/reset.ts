import { Command } from 'commander'
import { parseSettings } from '../config.ts'
import { planReset, type ResetPlan, requireIdle, resetApplication } from '../runtime/topics/reset.ts'
import { confirmByName } from './confirm.ts'
import { loadProgram } from './load-program.ts'
import { type LogOptions, logOf, withLogOption } from './log-options.ts'
import { type ProgramOptions, settingsOf, withProgramOptions } from './program-options.ts'
import { tableOf } from './table.ts'

interface ResetCommandOptions extends ProgramOptions, LogOptions {
  readonly dryRun?: true
  readonly yes?: true
  readonly json?: true
}

export function resetCommand(): Command {
  const command = new Command('reset')
    .description(
      'Delete the offsets, internal topics and local state of an application, so that it begins anew; not while instances run.',
    )
    .argument('<file>', 'the pipeline or topology file that `run` was given')
  return withLogOption(withProgramOptions(command))
    .option('--dry-run', 'say what would be deleted, and delete nothing')
    .option('--yes', 'ask nothing')
    .option('--json', 'one line {"application","committed","topics","stateFolder","members","deleted"}')
    .action(reset)
}

async function reset(file: string, options: ResetCommandOptions): Promise<void> {
  const program = await loadProgram(file)
  const settings = parseSettings(settingsOf(program, file, options))
  await using broker = await logOf(program, options)
  await broker.open()
  const subject = { topology: program.topology, settings, broker }
  const plan = await planReset(subject)
  if (!options.json) process.stdout.write(asText(plan, broker.name))
  const deletes = !options.dryRun && !isEmpty(plan)
  if (deletes || plan.members.length > 0) requireIdle(plan)
  if (deletes && !options.yes) await confirmByName(plan.application, 'This cannot be undone.')
  if (deletes) await resetApplication(plan, subject)
  if (options.json) process.stdout.write(`${JSON.stringify({ ...plan, deleted: deletes })}\n`)
  else if (deletes) process.stdout.write(`deleted; ${plan.application} begins anew when it is started\n`)
}

function isEmpty({ committed, topics, stateFolder }: ResetPlan): boolean {
  return committed.length === 0 && topics.length === 0 && stateFolder === undefined
}

function asText(plan: ResetPlan, log: string): string {
  const { application, committed, topics, stateFolder } = plan
  if (isEmpty(plan)) return `${application} has left nothing on ${log} or on this machine\n`
  const rows = [
    ...committed.map((topic) => ['  offsets', `of ${topic}, which is read again from its beginning`]),
    ...topics.map((topic) => ['  topic', topic]),
    ...(stateFolder === undefined ? [] : [['  folder', stateFolder]]),
  ]
  return [
    `of ${application} on ${log} this is deleted:\n`,
    tableOf(rows),
    'The topics that it reads, dead letters and the points of the index stay. State folders on other machines have to be deleted there.\n',
  ].join('')
}
