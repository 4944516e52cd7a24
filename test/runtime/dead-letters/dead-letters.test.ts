import { describe, expect, test } from 'vitest'
import { mapValues } from '../../../src/operators/map-values.ts'
import { headerText } from '../../../src/record.ts'
import type { GivenUpEvent } from '../../../src/runtime/observer.ts'
import { plainTopologyTo, runningIn, topologyTo, until } from '../../support/instance.ts'
import { readAll } from '../../support/log-records.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { ScriptedGroup } from '../../support/scripted-group.ts'

const letters = { topic: 'app-dead-letter', partition: 0 }

/** Fails for values that begin with `bad`. */
const picky = mapValues<string, string, string>('picky', (value) => {
  if (value.startsWith('bad')) throw new TypeError('cannot do that')
  return value
})

/** An instance that gives up one large record, with a limit on the size of a letter, and takes the next one. */
async function afterLargeRecord(maxLetterBytes: number) {
  const group = await ScriptedGroup.open()
  await group.log.createTopics([
    { topic: letters.topic, partitions: 1, settings: { 'max.message.bytes': String(maxLetterBytes) } },
  ])
  const sink = new RecordingSink()
  const givenUp: GivenUpEvent[] = []
  const instance = await runningIn(group, {
    topology: topologyTo(sink, (stream) => stream.process(picky)),
    observer: { givenUp: (event) => givenUp.push(event) },
  })
  await group.write(0, { key: 'a', value: `bad ${'x'.repeat(3_000)}` }, 'good')
  await until(group.clock, () => instance.state !== 'running' || group.committed()?.offset === 2)
  const found = await readAll(group.log, letters)
  const close = async () => {
    await instance.close()
    await group[Symbol.asyncDispose]()
  }
  return { instance, group, sink, givenUp, found, [Symbol.asyncDispose]: close }
}

describe('a dead letter', () => {
  test('that its topic finds too large is written without the value, which the source still has', async () => {
    await using after = await afterLargeRecord(2_000)

    const [letter, ...more] = after.found
    expect(more).toEqual([])
    expect(Buffer.from(letter?.key ?? []).toString()).toBe('a')
    expect(letter?.value).toBeNull()
    const facts = ['exception', 'topic', 'partition', 'offset'].map((name) =>
      headerText(letter?.headers ?? [], `__streams.errors.${name}`),
    )
    expect(facts).toEqual(['RECORD_FAILED', 'in', '0', '0'])
    expect(after.givenUp).toMatchObject([{ deadLettered: true }])
    expect(after.sink.written).toEqual(['0_0 good'])
  })

  test('that its topic refuses altogether stops nothing', async () => {
    await using after = await afterLargeRecord(10)

    expect(after.found).toEqual([])
    expect(after.givenUp).toMatchObject([{ deadLettered: false, error: { code: 'RECORD_FAILED' } }])
    expect(after.sink.written).toEqual(['0_0 good'])
    expect(after.instance.state).toBe('running')
    expect(after.group.committed()).toMatchObject({ offset: 2 })
  })

  test('is what becomes of a record when its sink throws at once, and the offset moves on', async () => {
    const sink = new RecordingSink({
      write: (value) => {
        if (value === 'bad') throw new Error('refused')
        return Promise.resolve()
      },
    })
    await using group = await ScriptedGroup.open()
    const instance = await runningIn(group, { topology: plainTopologyTo(sink) })

    await group.write(0, 'bad', 'good')
    await until(group.clock, () => group.committed()?.offset === 2)

    const found = await readAll(group.log, letters)
    expect(found.map(({ value }) => Buffer.from(value ?? []).toString())).toEqual(['bad'])
    expect(headerText(found[0]?.headers ?? [], '__streams.errors.message')).toContain('sink "out" failed: refused')
    expect(instance.state).toBe('running')
    await instance.close()
  })
})
