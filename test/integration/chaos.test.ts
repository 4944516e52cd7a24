import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { planOf } from '../../chaos/run.ts'
import { sentenceOf } from '../../chaos/schedule.ts'
import { book500 } from '../support/change-stream.ts'

const main = fileURLToPath(new URL('../../chaos/main.ts', import.meta.url))

/** Resolves with the exit code and everything that was printed. */
function chaos(...parameters: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, [main, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => (stdout += data))
  child.stderr.on('data', (data: Buffer) => (stderr += data))
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, stdout, stderr })))
}

describe.skipIf(!inject('kafkaServers'))(
  'three instances that are killed, frozen and restarted, with their broker',
  () => {
    test('lose nothing and leave nothing over', async () => {
      const { code, stdout, stderr } = await chaos('--seed', '1', '--minutes', '0.4', '--json')

      const summary = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '')
      console.log(stdout)
      expect(stderr).toBe('')
      expect(summary).toMatchObject({ seed: 1, faults: 0, lost: 0, orphan: 0, regressions: 0 })
      expect(summary.kills + summary.freezes).toBeGreaterThan(0)
      expect(summary.brokerRestarts).toBeGreaterThan(0)
      expect(code).toBe(0)
    })
  },
)

describe('the schedule of a chaos run', () => {
  const options = { seed: 7, minutes: 3, stream: book500, guarantee: 'at_least_once', calm: false } as const

  test('is the same for the same seed, and another for another', () => {
    const plans = [options, options, { ...options, seed: 8 }].map(planOf)
    const [first, again, other] = plans.map(({ schedule, delivery }) => JSON.stringify([schedule, delivery]))

    expect(again).toBe(first)
    expect(other).not.toBe(first)
  })

  test('has every kind of fault, in the order of their times', () => {
    const { schedule } = planOf(options)

    const times = schedule.map(({ at }) => at)
    expect(times).toEqual(times.toSorted((a, b) => a - b))
    expect([...new Set(schedule.map(({ kind }) => kind))].sort()).toEqual([
      'add',
      'broker',
      'freeze',
      'index',
      'index-down',
      'kill',
      'remove',
      'terminate',
    ])
    expect(schedule.map(sentenceOf)).not.toContain('')
  })

  test.each([
    ['--seed', 'x'],
    ['--minutes', '0'],
    ['--guarantee', 'at_most_once'],
    ['--sead', '1'],
  ])('is not made of %s %s', async (...parameters) => {
    const { code, stderr } = await chaos(...parameters)

    expect(code).toBe(2)
    expect(stderr).toContain(parameters[0])
  })
})
