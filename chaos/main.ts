/** `npm run chaos -- --seed N --minutes M [--guarantee G] [--json] [--stream FILE] [--verbose] [--calm] [--keep]` */
import { rm } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { reasonOf } from '../src/errors.ts'
import { book500 } from '../test/support/change-stream.ts'
import { missingForKafka } from '../test/support/kafka-distribution.ts'
import { Journal } from './journal.ts'
import { reportOf } from './report.ts'
import { type ChaosOptions, guarantees, planOf, runChaos } from './run.ts'
import { sentenceOf } from './schedule.ts'
import { isGood, judge } from './verdict.ts'

const usage = `Usage: npm run chaos -- --seed N --minutes M [options]

  --seed N       whole number; the same seed gives the same schedule (default: drawn, and printed)
  --minutes M    how long things go wrong, may be a fraction (default 1)
  --stream FILE  change stream, .jsonl, .jsonl.gz or .jsonl.br (default: 500 commits of the Rust book)
  --guarantee G  at_least_once (default) or exactly_once: for state and offsets; the index has to be right with both
  --json         the last line of stdout is a JSON object
  --verbose      print the schedule, and events as they happen
  --calm         let nothing go wrong
  --keep         keep logs and states also when all is well

Exit code: 0 all is well, 1 a fault was found, 2 it could not be run.
`

type Parsed = ChaosOptions & { readonly json: boolean; readonly verbose: boolean; readonly keep: boolean }

function parsed(): Parsed | string {
  try {
    return checked()
  } catch (error) {
    return reasonOf(error)
  }
}

function checked(): Parsed | string {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      minutes: { type: 'string', default: '1' },
      stream: { type: 'string', default: book500 },
      guarantee: { type: 'string', default: 'at_least_once' },
      json: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
      calm: { type: 'boolean', default: false },
      keep: { type: 'boolean', default: false },
    },
  })
  const seed = values.seed === undefined ? Math.floor(Math.random() * 100_000) : Number(values.seed)
  const minutes = Number(values.minutes)
  if (!Number.isInteger(seed) || seed < 0) return `--seed ${values.seed} is not a whole number from 0`
  if (!(minutes > 0 && minutes <= 24 * 60)) return `--minutes ${values.minutes} is not a number above 0`
  const guarantee = guarantees.find((known) => known === values.guarantee)
  if (!guarantee) return `--guarantee ${values.guarantee} is none of ${guarantees.join(', ')}`
  return { ...values, seed, minutes, guarantee }
}

async function main(): Promise<number> {
  const options = parsed()
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n\n${usage}`)
    return 2
  }
  const missing = await missingForKafka()
  if (missing) throw new Error(`a Kafka cannot be started: ${missing}`)
  const say = (line: string) => void process.stdout.write(`${line}\n`)
  const journal: Journal = new Journal(({ at, text }) => options.verbose && say(`${journal.time(at)}  ${text}`))
  const plan = planOf(options)
  if (options.verbose) {
    for (const event of plan.schedule) say(`planned ${(event.at / 1000).toFixed(3)} s  ${sentenceOf(event)}`)
  }
  const facts = await runChaos(plan, journal)
  const verdict = judge(facts)
  const good = isGood(verdict)
  say(reportOf(facts, verdict, journal))
  if (good && !options.keep) await rm(facts.folder, { recursive: true, force: true })
  if (options.json) say(JSON.stringify(verdict.summary))
  return good ? 0 : 1
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(2))
try {
  process.exit(await main())
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
  process.exit(2)
}
