import { describe, expect, test } from 'vitest'
import { StreamError } from '../../src/errors.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { openStateDirectory } from '../../src/state/state-directory.ts'
import { finishing, instanceIn, plainTopologyTo, runningIn, settled, topologyTo } from '../support/instance.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { ScriptedGroup } from '../support/scripted-group.ts'
import { temporaryDirectory } from '../support/temporary-directory.ts'

describe('a close during the start', () => {
  test('waits for what is being opened, closes it, and lets the start resolve', async () => {
    await using folder = await temporaryDirectory()
    const opening = Promise.withResolvers<void>()
    const sink = new RecordingSink({ open: () => opening.promise })
    await using group = await ScriptedGroup.open()
    const topology = topologyTo(sink, (stream) => stream.process(dedupe('known')))
    const instance = instanceIn(group, { topology, stateDirectory: folder.path })
    const starting = instance.start()
    await expect.poll(() => sink.state).toBe('opening')

    const closing = instance.close()
    await settled()
    opening.resolve()
    await Promise.all([starting, closing, instance.finished])

    expect(instance.state).toBe('closed')
    expect(sink.state).toBe('closed')
    const directory = await openStateDirectory(folder.path, 'app')
    await directory.close()
  })

  test('does not wait for a broker that is away', async () => {
    const asked = Promise.withResolvers<void>()
    const producer = async (): Promise<never> => {
      asked.resolve()
      throw new StreamError('PRODUCE_FAILED', 'nobody answers')
    }
    await using group = await ScriptedGroup.open({ overlay: { producer } })
    const sink = new RecordingSink()
    const instance = instanceIn(group, { topology: plainTopologyTo(sink) })
    const starting = instance.start()
    await asked.promise

    await finishing(group.clock, Promise.all([instance.close(), starting, instance.finished]))

    expect(instance.state).toBe('closed')
    expect(sink.state).toBe('closed')
  })

  test('leaves a group that it is just joining', async () => {
    const asked = Promise.withResolvers<void>()
    const joined = Promise.withResolvers<void>()
    const joining = () => {
      asked.resolve()
      return joined.promise
    }
    await using group = await ScriptedGroup.open({ joining })
    const sink = new RecordingSink()
    const instance = instanceIn(group, { topology: plainTopologyTo(sink) })
    const starting = instance.start()
    await asked.promise

    const closing = instance.close()
    joined.resolve()
    await finishing(group.clock, Promise.all([starting, closing, instance.finished]))

    expect(group.left).toBe(true)
    expect(sink.state).toBe('closed')
  })

  test('has nothing to wait for when nothing was begun', async () => {
    await using group = await ScriptedGroup.open()
    const instance = instanceIn(group, { topology: plainTopologyTo(new RecordingSink()) })

    await instance.close()
    await instance.finished

    expect(instance.state).toBe('closed')
  })
})

describe('a processor that cannot be closed', () => {
  /** An instance with such a processor, one record of which may be fatal. */
  async function stubborn() {
    const sink = new RecordingSink()
    const group = await ScriptedGroup.open({ partitions: 2 })
    const topology = topologyTo(sink, (stream) =>
      stream.process<string, string>({
        name: 'stubborn',
        operator: 'test',
        create: () => ({
          process(record, context) {
            if (record.value === 'bad') throw new Error('poison')
            context.forward(record)
          },
          close() {
            throw new Error('I will not')
          },
        }),
      }),
    )
    const instance = await runningIn(group, { topology, onFailedRecord: 'fail' })
    return { sink, group, instance, [Symbol.asyncDispose]: () => group[Symbol.asyncDispose]() }
  }

  test('keeps nothing else open: the close says what happened', async () => {
    await using running = await stubborn()
    const { sink, group, instance } = running

    await expect(finishing(group.clock, instance.close())).rejects.toThrow('I will not')

    expect(group.left).toBe(true)
    expect(sink.closing.sort()).toEqual(['0_0', '0_1'])
    expect(sink.state).toBe('closed')
    expect(instance.tasks).toEqual([])
    await expect(instance.finished).rejects.toThrow('I will not')
  })

  test('does not hide what made the runtime fail', async () => {
    await using running = await stubborn()
    const { sink, group, instance } = running

    await group.write(1, 'bad')
    await expect(finishing(group.clock, instance.finished)).rejects.toThrow(/RECORD_FAILED: .*poison/)

    expect(group.left).toBe(true)
    expect(sink.state).toBe('closed')
  })
})

test('a close does not wait longer than its deadline for a coordinator that never answers', async () => {
  await using group = await ScriptedGroup.open()
  const instance = await runningIn(group, { topology: plainTopologyTo(new RecordingSink()), closeDeadlineMs: 2_000 })
  const silence = Promise.withResolvers<void>()
  group.onCommit = () => silence.promise
  const began = group.clock.now()

  await finishing(group.clock, instance.close())
  silence.resolve()

  expect(group.clock.now() - began).toBeLessThan(2_500)
  expect(group.left).toBe(true)
})
