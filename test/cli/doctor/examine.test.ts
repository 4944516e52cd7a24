import { describe, expect, test } from 'vitest'
import { type Check, ok, problem } from '../../../src/cli/doctor/check.ts'
import { examine, type Sources } from '../../../src/cli/doctor/examine.ts'
import { thisMachine } from '../../../src/cli/doctor/machine.ts'
import { asLines, asText } from '../../../src/cli/doctor/report.ts'
import { SubjectSources } from '../../../src/cli/doctor/sources.ts'
import { ManualClock } from '../../../src/clock.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { StreamError } from '../../../src/errors.ts'

const limitMs = 1_000
const clock = new ManualClock()
const denied = new StreamError('BROKER_DENIED', 'the user may not', { fix: 'Allow it.' })

const plain = (name: string): Check => ({ name, needs: [], examine: async () => [ok(`${name} is fine`)] })
const onLog = (name: string): Check<'log'> => ({ name, needs: ['log'], examine: async () => [ok(`${name} is fine`)] })
const run = (checks: readonly Check[], sources: Sources = {}, on = clock) =>
  examine(checks, sources, { clock: on, limitMs })

describe('checks', () => {
  test('run at once, and are reported in their order', async () => {
    const gate = Promise.withResolvers<void>()
    const waiting: Check = { ...plain('first'), examine: () => gate.promise.then(() => [ok('at last')]) }
    const opening: Check = { ...plain('second'), examine: async () => [ok(`${gate.resolve()}`)] }

    expect((await run([waiting, opening])).map(({ check }) => check)).toEqual(['first', 'second'])
  })

  test('share what they need: it is made once', async () => {
    let opened = 0
    const log = async () => {
      opened++
      return embeddedBroker()
    }

    await run([onLog('first'), onLog('second')], { log })

    expect(opened).toBe(1)
  })

  test('are left out where nobody has what they need', async () => {
    expect(await run([onLog('kafka'), plain('node')])).toEqual([{ check: 'node', ...ok('node is fine') }])
  })

  test('are skipped when it cannot be had, and the first one says why', async () => {
    const sources: Sources = {
      log: () => Promise.reject(denied),
      topics: async (given) => ({ log: await given('log') }) as never,
    }
    const onTopics: Check<'topics'> = { ...plain('topics'), needs: ['topics'] }

    expect(await run([onLog('kafka'), onTopics, onLog('group')], sources)).toEqual([
      { check: 'kafka', level: 'problem', fact: 'the user may not', fix: 'Allow it.', code: 'BROKER_DENIED' },
      { check: 'topics', level: 'skipped', fact: 'not examined: see "kafka"' },
      { check: 'group', level: 'skipped', fact: 'not examined: see "kafka"' },
    ])
  })

  test('are problems when they throw', async () => {
    const failing: Check = { ...plain('rights'), examine: () => Promise.reject(denied) }

    expect(await run([failing])).toMatchObject([{ level: 'problem', fix: 'Allow it.' }])
  })

  test.each<[string, Check, Sources]>([
    ['a check', { ...plain('slow'), examine: () => new Promise(() => undefined) }, {}],
    ['what it needs', onLog('slow'), { log: () => new Promise(() => undefined) }],
  ])('end at their limit: %s that never answers', async (_, check, sources) => {
    const time = new ManualClock()
    const running = run([check, plain('node')], sources, time)
    await new Promise((resolve) => setImmediate(resolve))

    time.advance(limitMs)

    expect(await running).toMatchObject(
      [
        { check: 'slow', level: 'problem', fact: /took longer than 1 s/, code: 'CHECK_TIMEOUT' },
        { check: 'node', level: 'ok' },
      ].map(({ fact, ...rest }) => (fact ? { ...rest, fact: expect.stringMatching(fact) } : rest)),
    )
  })
})

test('what was opened after its time is closed at once', async () => {
  const opening = Promise.withResolvers<EmbeddedBroker>()
  const log = embeddedBroker()
  await log.open()
  const subject = new SubjectSources({ machine: thisMachine, openLog: () => opening.promise })
  const time = new ManualClock()
  const running = run([onLog('kafka')], subject.sources, time)
  await new Promise((resolve) => setImmediate(resolve))
  time.advance(limitMs)
  await running
  await subject[Symbol.asyncDispose]()

  opening.resolve(log)

  await expect
    .poll(() =>
      log.topics([]).then(
        () => 'open',
        ({ code }) => code,
      ),
    )
    .toBe('BROKER_CLOSED')
})

describe('a report', () => {
  const reports = [
    { check: 'node', ...ok('Node 24.1.0') },
    { check: 'dead letters', ...problem('three', 'Look at them.') },
  ]

  test('is a table with fixes and counts', () => {
    expect(asText(reports)).toBe(
      [
        'ok       node          Node 24.1.0',
        'problem  dead letters  three',
        '                       Look at them.',
        '1 problem, 0 warnings, 1 ok',
        '',
      ].join('\n'),
    )
  })

  test('is a line of JSON for each finding', () => {
    const lines = asLines(reports).trimEnd().split('\n')

    expect(lines.map((line) => JSON.parse(line))).toEqual(reports)
  })
})
