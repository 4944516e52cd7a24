import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { aggregate, count, session, sliding, tumbling } from '../../../src/operators/index.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { sessionWindowed, timeWindowed } from '../../../src/windowed.ts'
import { one, source, started } from '../../support/cached-steps.ts'

describe('an aggregation of windows with caching', () => {
  test('sends one update of a window, and no trace of a session that another took in', async () => {
    const windowed = kafkaTopic({ topic: 'windows', key: timeWindowed(string, 10), value: msgpack<number>() })
    const sessions = kafkaTopic({ topic: 'sessions', key: sessionWindowed(string), value: msgpack<number>() })
    await using driver = await started((stream) => {
      stream.process(count('windows', { window: tumbling({ sizeMs: 10 }), caching: true })).to('to-windows', windowed)
      stream.process(count('sessions', { window: session({ gapMs: 5 }), caching: true })).to('to-sessions', sessions)
    })

    await driver.pipe(source, one('a', 1), one('a', 4), one('a', 8), one('a', 22))
    await driver.commit()

    const rows = async (of: typeof windowed) =>
      (await driver.read(of)).map(({ key: { window }, value }) => [window.startMs, window.endMs, value])
    expect(await rows(windowed)).toEqual([
      [0, 10, 3],
      [20, 30, 1],
    ])
    expect(await rows(sessions)).toEqual([
      [1, 8, 3],
      [22, 22, 1],
    ])
  })

  test('deletes a session that was sent before it grew', async () => {
    const sessions = kafkaTopic({ topic: 'sessions', key: sessionWindowed(string), value: msgpack<number>() })
    await using driver = await started((stream) =>
      stream.process(count('sessions', { window: session({ gapMs: 5 }), caching: true })).to('to-sessions', sessions),
    )

    await driver.pipe(source, one('a', 5))
    await driver.commit()
    await driver.pipe(source, one('a', 5), one('a', 8))
    await driver.commit()

    const rows = (await driver.read(sessions)).map(({ key: { window }, value }) => [
      window.startMs,
      window.endMs,
      value,
    ])
    expect(rows).toEqual([
      [5, 5, 1],
      [5, 5, null],
      [5, 8, 3],
    ])
  })

  test('does not delete a window that began with what was in another and came to nothing', async () => {
    const windowed = kafkaTopic({ topic: 'windows', key: timeWindowed(string, 10), value: msgpack<number>() })
    const add = (sum: number, value: number) => (value === 9 ? null : sum + value)
    const window = sliding({ differenceMs: 10, graceMs: 100 })
    await using driver = await started((stream) =>
      stream.process(aggregate('sums', { window, initialize: () => 0, add, caching: true })).to('to-windows', windowed),
    )

    await driver.pipe(source, one('a', 20), one('a', 25, 9))
    await driver.commit()

    const rows = (await driver.read(windowed)).map(({ key, value }) => [key.window.startMs, value])
    expect(rows).toEqual([[10, 1]])
  })

  test('is refused when windows send one result each: there is nothing to hold back', () => {
    const window = tumbling({ sizeMs: 10 })

    const make = () => count('windows', { window, emit: 'window-close', caching: true })

    expect(make).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        fact: 'step "windows" sends each window once, when it closes, so it has no updates to hold back',
        fix: 'Leave out `caching`.',
      }),
    )
  })
})
