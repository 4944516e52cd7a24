import { Command } from 'commander'
import { systemClock } from '../../clock.ts'
import type { LetterFilter } from '../../runtime/dead-letters/dead-letter-topic.ts'
import { type RedriveCounts, redrive } from '../../runtime/dead-letters/redrive.ts'
import { ownName } from '../own-name.ts'
import { ProgressDisplay } from '../progress.ts'
import { StopSignals } from '../stop-signals.ts'
import { tableOf } from '../table.ts'
import { wholeNumber } from '../whole-number.ts'
import { filterOf, type LetterSource, openLetters, withLetterFilter, withLetterSource } from './topic.ts'

interface RedriveOptions extends LetterSource, LetterFilter {
  readonly rate?: number
  readonly dryRun?: true
  readonly json?: true
}

export function dlqRedriveCommand(): Command {
  const command = new Command('redrive').description(
    'Put records that were given up back into their source, in order, never over a newer version of their key.',
  )
  return withLetterFilter(withLetterSource(command))
    .option('--rate <number>', 'put back at most so many records a second', wholeNumber)
    .option('--dry-run', 'only count')
    .option('--json', 'one line of counts')
    .action(run)
}

async function run(file: string | undefined, options: RedriveOptions): Promise<void> {
  const { rate, dryRun = false, json } = options
  using stop = new StopSignals(() => process.stderr.write('stopping; run again to go on\n'))
  await using letters = await openLetters(file, options)
  const state = { done: 0, total: 0 }
  const progress = new ProgressDisplay(systemClock, () => ({ label: 'redriving', ...state }))
  try {
    const counts = await redrive({
      ...letters,
      filter: filterOf(options),
      clock: systemClock,
      recordsPerSecond: rate,
      dryRun,
      signal: stop.signal,
      onProgress: (done, total) => Object.assign(state, { done, total }),
    })
    const next = letters.isWorkspace && !dryRun && counts.redriven > 0
    process.stdout.write(json ? `${JSON.stringify({ ...counts, dryRun })}\n` : asText(counts, { dryRun, next }))
  } finally {
    progress.stop()
  }
  if (stop.signal.aborted) process.exitCode = stop.exitCode
}

const meanings = {
  superseded: 'their key has a newer record',
  before: 'put back by an earlier run',
  gone: 'no longer in their source: produce these documents again',
  refused: 'too large for their source with the headers of a redrive: produce these documents again',
  unplaced: 'never were in a topic',
  repeated: 'further letters of the same records',
} as const

function asText(counts: RedriveCounts, { dryRun, next }: { readonly dryRun: boolean; readonly next: boolean }): string {
  const { letters, redriven } = counts
  const leftAlone = Object.entries(meanings).flatMap(([name, meaning]) => {
    const found = counts[name as keyof typeof meanings]
    return found > 0 ? [[`${name}:`, String(found), meaning]] : []
  })
  const rows = [
    ['letters:', String(letters)],
    ['redriven:', String(redriven), dryRun ? 'would be put back into their source' : 'put back into their source'],
    ...leftAlone,
  ]
  return `${tableOf(rows)}${next ? `next: ${ownName()} index <source>\n` : ''}`
}
