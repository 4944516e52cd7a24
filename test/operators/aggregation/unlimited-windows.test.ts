import { describe, expect, expectTypeOf, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, suppress, unlimited } from '../../../src/operators/index.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream } from '../../../src/topology/stream.ts'
import { timeWindowed } from '../../../src/windowed.ts'

const source = kafka({ topic: 'in', key: string, value: msgpack<number>() })
const window = unlimited({ startMs: 100 })
const target = kafkaTopic({ topic: 'out', key: timeWindowed(string, window.sizeMs), value: msgpack<number>() })

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(stream: Stream<string, number>): void {
  // @ts-expect-error it never closes
  stream.process(count('a', { window, emit: 'window-close' }))
  // @ts-expect-error it never closes
  suppress('b', { untilWindowCloses: window })
}

describe('an unlimited window', () => {
  test('takes everything from its start on, however late, and passes over what is earlier', async () => {
    const dropped: string[] = []
    const builder = new TopologyBuilder()
    builder.stream('in', source).process(count('counts', { window })).to('out', target)
    const observer = { dropped: (_: unknown, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(builder.build(), { observer })

    for (const timestamp of [99, 900_000_000, 100]) await driver.pipe(source, { key: 'a', value: 1, timestamp })
    await driver.crashAndRestart()
    await driver.pipe(source, { key: 'a', value: 1, timestamp: 101 })

    const sent = await driver.read(target)
    expect(sent.map(({ value, timestamp }) => [value, timestamp])).toEqual([
      [1, 900_000_000],
      [2, 900_000_000],
      [3, 900_000_000],
    ])
    expect(sent[0]?.key.window).toEqual({ startMs: 100, endMs: Number.MAX_SAFE_INTEGER })
    expect(dropped).toEqual([])
    expectTypeOf(theseDoNotCompile).toBeFunction()
  })

  test.each([-1, Number.NaN])('that starts at %d is refused', (startMs) => {
    const fact = `a window cannot start at ${startMs}`

    expect(() => unlimited({ startMs })).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', fact }))
  })
})
