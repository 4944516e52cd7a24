import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { beforeAll, describe, expect, test } from 'vitest'
import type { SoakReport, SoakSample } from '../support/soak-report.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

const child = join(import.meta.dirname, '../support/soak-child.ts')
/** Of six minutes each on a clock that runs sixty times as fast as the wall. */
const cycles = 10
const startMs = 60_000
/** What happens to be under way at a sample. One that leaks in every cycle has become four more from one third to the end of the next. */
const underWay = 2

async function soak(): Promise<SoakReport> {
  await using folder = await temporaryDirectory()
  const running = spawn(process.execPath, ['--expose-gc', child, folder.path, String(cycles)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  return JSON.parse(await text(running.stdout))
}

let report: SoakReport

beforeAll(
  async () => {
    report = await soak()
  },
  cycles * 6_000 + startMs,
)

type Measure = Exclude<keyof SoakSample, 'when'>

/** The smallest and the largest value of the middle third and of the last one: the first is for warming up. */
function thirds(when: SoakSample['when'], measure: Measure) {
  const values = report.samples.filter((sample) => sample.when === when).map((sample) => sample[measure])
  const [second, third] = [Math.floor(values.length / 3), Math.floor((values.length * 2) / 3)]
  const bounds = (part: readonly number[]) => ({ least: Math.min(...part), most: Math.max(...part) })
  return { middle: bounds(values.slice(second, third)), last: bounds(values.slice(third)) }
}

describe('an hour of edits, deletions, unreadable records, compaction, restarts and rebalances', () => {
  test('happened, and left an index without a fault', () => {
    const { changes, commits, deadLetters, beats, samples } = report
    console.info({ changes, commits, deadLetters, beats, last: samples.at(-1) })

    expect(report.faults).toEqual([])
    expect(samples).toHaveLength(2 * cycles)
    expect(changes).toBeGreaterThan(1_000)
    expect(deadLetters).toBeGreaterThan(10)
    expect(beats).toBeGreaterThan(100)
  })

  // The heap grows and shrinks by a little for reasons of its own: what grows for ever grows beyond any such share.
  test.each([
    ['heapUsed', 1.1],
    ['external', 1.05],
    ['rss', 1.15],
  ] as const)('%s does not grow: running or closed, the last third is like the middle one', (measure, share) => {
    for (const when of ['running', 'closed'] as const) {
      const { middle, last } = thirds(when, measure)

      expect(last.least).toBeLessThanOrEqual(middle.most * share)
    }
  })

  test.each(['resources', 'files', 'timers', 'runtimes'] as const)('%s that are held do not become more', (measure) => {
    for (const when of ['running', 'closed'] as const) {
      const { middle, last } = thirds(when, measure)

      expect(last.most).toBeLessThanOrEqual(middle.most + underWay)
    }
  })

  test('once all have closed, the timer of the log is left and at most the last instance in memory', () => {
    const { middle, last } = thirds('closed', 'timers')

    expect(Math.max(middle.most, last.most)).toBeLessThanOrEqual(1)
    expect(thirds('closed', 'runtimes').last.most).toBeLessThanOrEqual(1)
  })

  test('no emitter warned of listeners that become more and more', () => {
    expect(report.warnings).toEqual([])
  })
})
