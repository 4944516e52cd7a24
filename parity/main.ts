import { existsSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { differences } from './compare.ts'
import { deviationOf, isDeviation } from './deviations.ts'
import { type Played, play, unsupported } from './play.ts'
import { type Recording, readRecordings } from './recording.ts'
import { type Compared, rulesFor } from './rules.ts'

/** A case takes less than a second. */
const deadlineMs = 30_000

interface Tally {
  passed: number
  deviated: number
  failed: number
}

/** Plays the recordings of a folder and says which of them we equal. Exit 1 when one differs that may not, 2 without recordings. */
async function main(folder: string | undefined): Promise<void> {
  const recordings = folder === undefined || !existsSync(folder) ? [] : readRecordings(folder)
  if (recordings.length === 0) {
    process.stderr.write('usage: npm run -s parity -- DIR, a folder with recordings of Kafka Streams (*.json)\n')
    process.exitCode = 2
    return
  }
  const tallies = new Map<string, Tally>()
  const left = new Map<string, number>()
  for (const recording of recordings) {
    const reason = unsupported(recording)
    if (reason) left.set(`${recording.op} (${reason})`, (left.get(`${recording.op} (${reason})`) ?? 0) + 1)
    else await judge(recording, tallyOf(tallies, recording.op))
  }
  report(tallies, left, recordings.length)
  if ([...tallies.values()].some(({ failed }) => failed > 0)) process.exitCode = 1
}

async function judge(recording: Recording, tally: Tally): Promise<void> {
  const played = await playedInTime(recording)
  if (typeof played === 'string') {
    tally.failed++
    print(`differs  ${recording.name}: ${played}`)
    return
  }
  const all = differences(recording, played)
  const [difference] = all
  const why = deviating({ recording, played, differences: all })
  if (!difference) tally.passed++
  else if (why) {
    tally.deviated++
    print(`deviates ${recording.name}${why}`)
  } else {
    tally.failed++
    print(`differs  ${recording.name} in ${all.length} places, first at ${difference.at}`)
    print(`  recorded ${JSON.stringify(difference.recorded)}`)
    print(`  ours     ${JSON.stringify(difference.ours)}`)
  }
}

/** What came of it, or why nothing did: one case does not keep the others from being played. */
async function playedInTime(recording: Recording): Promise<Played | string> {
  const over = new AbortController()
  try {
    return await Promise.race([
      play(recording),
      setTimeout(deadlineMs, `it has not ended after ${deadlineMs} ms`, { signal: over.signal }),
    ])
  } catch (error) {
    return `it cannot be played: ${String(error)}`
  } finally {
    over.abort()
  }
}

/** As the list has it; a case that is not in there may be argued by rule. Undefined when it may not differ. */
function deviating(compared: Compared): string | undefined {
  const deviation = deviationOf(compared.recording.name)
  if (deviation) return isDeviation(deviation, compared.differences) ? `: ${deviation.rule}` : undefined
  const applied = rulesFor(compared)
  return applied && ` by rule: ${applied.map(({ words }) => words).join('; ')}`
}

function tallyOf(tallies: Map<string, Tally>, op: string): Tally {
  const tally = tallies.get(op) ?? { passed: 0, deviated: 0, failed: 0 }
  tallies.set(op, tally)
  return tally
}

function report(tallies: ReadonlyMap<string, Tally>, left: ReadonlyMap<string, number>, total: number): void {
  const sum = { passed: 0, deviated: 0, failed: 0 }
  for (const [op, { passed, deviated, failed }] of tallies) {
    sum.passed += passed
    sum.deviated += deviated
    sum.failed += failed
    const extra = deviated > 0 ? `, ${deviated} deviate` : ''
    print(`${op.padEnd(26)} ${passed} / ${passed + deviated + failed}${extra}`)
  }
  const notBuilt = [...left.values()].reduce((a, b) => a + b, 0)
  print(`all ${total}: ${sum.passed} passed, ${sum.deviated} deviate, ${sum.failed} differ, ${notBuilt} not built`)
  if (left.size > 0) print(`  ${[...left].map(([what, count]) => `${what} ${count}`).join(', ')}`)
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}

await main(process.argv[2])
