import { describe, expect, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { count, hopping, map, selectKey, session, sliding, tumbling } from '../../../src/operators/index.ts'
import { nullable, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { drive, input, outputs } from '../../support/drive.ts'

describe('windows', () => {
  test.each([
    ['no size', () => tumbling({ sizeMs: 0 }), 'a window of 0 ms holds nothing'],
    [
      'gaps between them',
      () => hopping({ sizeMs: 10, advanceMs: 11 }),
      'windows of 10 ms that advance by 11 ms leave records out',
    ],
    ['a negative difference', () => sliding({ differenceMs: -1 }), 'a time difference of -1 ms is negative'],
    ['a gap of nothing', () => session({ gapMs: 0 }), 'sessions with a gap of 0 ms never grow'],
    ['a negative grace', () => tumbling({ sizeMs: 10, graceMs: -1 }), 'a grace of -1 ms is negative'],
    ['half a millisecond', () => tumbling({ sizeMs: 1_000.5 }), 'sizeMs of a window is 1000.5'],
    [
      'a grace without an end',
      () => session({ gapMs: 1, graceMs: Number.POSITIVE_INFINITY }),
      'graceMs of a window is Infinity',
    ],
  ])('with %s are refused', (_, make, fact) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID', fact }))
  })
})

test('sliding windows without a difference hold what has one and the same time', async () => {
  await using driver = await drive<string>((stream) =>
    stream
      .process(count('views', { window: sliding({ differenceMs: 0 }) }))
      .process(map('plain', ({ key, window }, views) => [`${key}@${window.startMs}-${window.endMs}`, views])),
  )

  await driver.pipe(
    input,
    { key: 'a', value: 'x', timestamp: 5 },
    { key: 'a', value: 'y', timestamp: 5 },
    { key: 'a', value: 'z', timestamp: 6 },
  )

  expect(await outputs(driver)).toEqual(['a@5-5=1', 'a@5-5=2', 'a@6-6=1'])
})

describe('a group', () => {
  test('under another key meets in one task, through a topic named after the step', async () => {
    await using driver = await drive<string>((stream) => stream.process(count('words', { by: (word) => word })), {
      partitions: 3,
    })

    await driver.pipe(input, { key: 'a', value: 'x' }, { key: 'b', value: 'x' }, { key: 'c', value: null })

    expect(await outputs(driver)).toEqual(['x=1', 'x=2'])
    expect(await driver.read(kafka({ ...input, topic: 'test-words-repartition' }))).toHaveLength(2)
  })

  test('behind a step that changed the key, without `by`, is refused', () => {
    const builder = new TopologyBuilder()
    builder
      .stream('in', input)
      .process(selectKey('other', (_, key) => key))
      .process(count('counts'))

    expect(() => builder.build()).toThrow('node "counts" needs equal keys in one partition')
  })

  test('takes records without a key when `by` gives them one', async () => {
    const keyless = kafka({ topic: 'keyless', key: nullable(string), value: input.value })
    const dropped: string[] = []
    await using driver = await drive<string>(
      (_, builder) =>
        builder.stream('keyless', keyless).process(count('words', { by: (word) => word as string | null })),
      { observer: { dropped: (_, reason) => dropped.push(reason) } },
    )

    await driver.pipe(keyless, { key: null, value: 'x' })
    await driver.pipe(input, { key: null, value: 'x' })

    expect(await outputs(driver)).toEqual(['x=1'])
    expect(dropped).toEqual(['null_key'])
  })
})
