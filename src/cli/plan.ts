import { Command, InvalidArgumentError } from 'commander'
import { systemClock } from '../clock.ts'
import { parseSettings } from '../config.ts'
import { loadProgram } from './load-program.ts'
import { type LogOptions, logOf, withLogOption } from './log-options.ts'
import { estimatesOf, type Rates } from './plan/estimates.ts'
import { planRun } from './plan/plan-run.ts'
import { planText } from './plan/report.ts'
import { type ProgramOptions, settingsOf, withProgramOptions } from './program-options.ts'
import { ProgressDisplay } from './progress.ts'
import { StopSignals } from './stop-signals.ts'

interface PlanCommandOptions extends ProgramOptions, LogOptions, Rates {
  readonly afterReset?: true
  readonly json?: true
}

export function planCommand(): Command {
  const command = new Command('plan')
    .description(
      'Say what a run would do with what is in the log now: documents, embeddings, tokens, points. Writes nothing; the application may be running.',
    )
    .argument('<file>', 'pipeline (.yaml), or topology file (TypeScript or JavaScript)')
  return withLogOption(withProgramOptions(command))
    .option('--after-reset', 'as if the application had been reset: every record again, without state')
    .option('--texts-per-second <number>', 'a rate that was measured, to estimate the time', positiveNumber)
    .option('--tokens-per-second <number>', 'a rate that was measured, to estimate the time', positiveNumber)
    .option(
      '--price-per-million-tokens <number>',
      'what embedding is charged at, to estimate the price',
      positiveNumber,
    )
    .option('--json', 'one line of counts')
    .action(plan)
}

async function plan(file: string, options: PlanCommandOptions): Promise<void> {
  using stop = new StopSignals()
  const program = await loadProgram(file)
  const settings = parseSettings(settingsOf(program, file, options))
  await using broker = await logOf(program, options)
  await broker.open()
  const state = { done: 0, note: '' }
  const progress = new ProgressDisplay(systemClock, () => ({ label: 'planning', ...state }))
  try {
    const found = await planRun({
      topology: program.topology,
      settings,
      broker,
      afterReset: options.afterReset ?? false,
      signal: stop.signal,
      onProgress: ({ copied, processed }) => Object.assign(state, { done: processed, note: `${copied} copied` }),
    })
    progress.stop()
    if (!found) {
      process.exitCode = stop.exitCode
      return
    }
    const estimates = estimatesOf(found, options)
    const line = JSON.stringify({ ...found, ...estimates })
    process.stdout.write(options.json ? `${line}\n` : planText(program.topology, found, estimates))
  } finally {
    progress.stop()
  }
}

/** Reads a rate. */
function positiveNumber(value: string): number {
  const number = Number(value)
  if (Number.isFinite(number) && number > 0) return number
  throw new InvalidArgumentError('It must be a number above 0.')
}
