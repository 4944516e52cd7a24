import { describe, expect, test } from 'vitest'
import { differences } from '../../parity/compare.ts'
import { type Played, type PlayedStep, play } from '../../parity/play.ts'
import type { RecordedOutput, Recording } from '../../parity/recording.ts'
import { rules, rulesFor } from '../../parity/rules.ts'

const base = { initialWallClockMs: 1_000_000 }
const stored = { storeType: 'inMemory', cache: 'off', commit: 'everyRecord' } as const

/** The original forgets the first window, with the jump of time that closes it. */
const closing: Recording = {
  ...base,
  name: 'a made-up case',
  op: 'emitOnWindowClose',
  topology: { op: 'emitOnWindowClose', window: 'tumbling', sizeMs: 100, graceMs: 0, ...stored },
  steps: [
    { in: { topic: 'in', key: 'a', value: 3, ts: 10 } },
    { in: { topic: 'in', key: 'a', value: 5, ts: 20 } },
    { in: { topic: 'in', key: 'b', value: 1, ts: 5_000 } },
  ],
  stores: { S: [['b', 218, 5_000, [5_000, 5_100]]] },
}

const filtering: Recording = {
  ...base,
  name: 'another made-up case',
  op: 'filter',
  topology: { op: 'filter', ...stored },
  steps: [
    { in: { topic: 'in', key: 'a', value: 2, ts: 1 }, out: [{ topic: 'out', key: 'a', value: 2, ts: 1 }] },
    { in: { topic: 'in', key: 'a', value: null, ts: 2 } },
  ],
}

/** In RocksDB nothing is late before its segment is gone. */
const joining: Recording = {
  ...base,
  name: 'a made-up join',
  op: 'streamStreamJoin',
  topology: {
    op: 'streamStreamJoin',
    join: 'left',
    beforeMs: 10,
    afterMs: 10,
    graceMs: 0,
    ...stored,
    storeType: 'rocksDB',
  },
  steps: [
    { in: { topic: 'left', key: 'a', value: 'L0', ts: 1_000 } },
    {
      in: { topic: 'left', key: 'a', value: 'L1', ts: 500 },
      out: [{ topic: 'out', key: 'a', value: 'L1|null', ts: 500 }],
    },
  ],
}

describe('a case that is in no list', () => {
  test.each([
    { recording: closing, rule: rules.nothingLost },
    { recording: filtering, rule: rules.tombstones },
    { recording: joining, rule: rules.oneRetention },
  ])('deviates by the rule that argues all its differences: $recording.op', async ({ recording, rule }) => {
    expect(await rulesOf(recording)).toEqual([rule])
  })

  test('differs when a result of a window is not the fold of what came into it', async () => {
    expect(await rulesOf(closing, changed(2, { value: 4 }))).toBeUndefined()
  })

  test('differs when the bounds of a window are off by one', async () => {
    expect(await rulesOf(closing, changed(2, { window: [0, 101] }))).toBeUndefined()
  })

  test('differs when a result comes before its window has closed', async () => {
    expect(await rulesOf(closing, ([first, second, third]) => [first, third, second])).toBeUndefined()
  })

  test('differs when a result comes twice', async () => {
    const twice = ({ out, ...step }: PlayedStep): PlayedStep => ({ ...step, out: [...out, ...out] })
    expect(await rulesOf(closing, (steps) => steps.map(twice))).toBeUndefined()
  })

  test('differs when what was recorded is missing', async () => {
    const [first = {}, second = {}, third = {}] = closing.steps
    const out = [{ topic: 'out', key: 'c', value: 1, ts: 1, window: [0, 100] as const }]
    expect(await rulesOf({ ...closing, steps: [first, second, { ...third, out }] })).toBeUndefined()
  })

  test('differs when a tombstone has another time, or a value is not filtered', async () => {
    expect(await rulesOf(filtering, changed(1, { ts: 3 }))).toBeUndefined()
    expect(await rulesOf(filtering, changed(0, { value: 3 }))).toBeUndefined()
  })

  test('differs when a tombstone passes where the rule does not hold', async () => {
    expect(await rulesOf({ ...filtering, op: 'filterNot' }, (steps) => steps)).toBeUndefined()
  })

  test('differs when a join sends another time, or does not count what is late', async () => {
    expect(await rulesOf(joining, changed(1, { ts: 501 }))).toBeUndefined()
    expect(await rulesOf(joining, (steps) => steps.map((step) => ({ ...step, dropped: 2 })))).toBeUndefined()
  })
})

type Change = (steps: readonly PlayedStep[]) => readonly (PlayedStep | undefined)[]

async function rulesOf(
  recording: Recording,
  change: Change = (steps) => steps,
): Promise<readonly unknown[] | undefined> {
  const played = await play(recording)
  const steps = change(played.steps).filter((step) => step !== undefined)
  const compared: Played = { ...played, steps }
  return rulesFor({ recording, played: compared, differences: differences(recording, compared) })
}

/** One step with other outputs. */
function changed(index: number, output: Partial<RecordedOutput>): Change {
  return (steps) =>
    steps.map((step, at) => (at === index ? { ...step, out: step.out.map((own) => ({ ...own, ...output })) } : step))
}
