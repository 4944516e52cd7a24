import { fileURLToPath } from 'node:url'
import { describe, expect, inject, test } from 'vitest'
import { planOf } from '../../chaos/run.ts'
import { sentenceOf } from '../../chaos/schedule.ts'
import { book500 } from '../support/change-stream.ts'
import { startProgram } from '../support/command-line.ts'

const main = fileURLToPath(new URL('../../chaos/main.ts', import.meta.url))

describe.skipIf(!inject('kafkaServers'))(
  'three instances that are killed, frozen and restarted, with their broker',
  () => {
    test('lose nothing and leave nothing over', async () => {
      const { code, stdout, stderr } = await startProgram(main, ['--seed', '1', '--minutes', '0.4', '--json']).result

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
    const { code, stderr } = await startProgram(main, parameters).result

    expect(code).toBe(2)
    expect(stderr).toContain(parameters[0])
  })
})
