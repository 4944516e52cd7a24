import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { sqliteIndex } from '../../../src/connectors/embedded/sqlite-index.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { embed } from '../../../src/embed/embed.ts'
import { hash } from '../../../src/embed/hash.ts'
import { chunk } from '../../../src/operators/chunk.ts'
import { dedupe } from '../../../src/operators/dedupe.ts'
import { diff } from '../../../src/operators/diff.ts'
import { noHeaders } from '../../../src/record.ts'
import { string } from '../../../src/serde.ts'
import type { KeyValueStore } from '../../../src/state/store.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { ProcessorSupplier } from '../../../src/topology/processor.ts'
import { finishing, instanceIn, pass, runningIn, topologyTo, until } from '../../support/instance.ts'
import { ModelIndex } from '../../support/model-index.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { inTopic, ScriptedGroup } from '../../support/scripted-group.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const requestTimeoutMs = 10_000

/** Looks at an index, as `diff` does, and forwards what a store of it remembers. */
function lookingAt(index: ModelIndex): ProcessorSupplier<string, string, string, string> {
  return {
    name: 'looks',
    operator: 'test',
    order: 'key',
    stores: [{ kind: 'key-value', name: 'remembered', key: string, value: string }],
    observes: [index],
    create: () => ({
      async process(record, context) {
        await index.observe([record.key])
        const remembered = context.store<KeyValueStore<string, string>>('remembered').get(record.key)
        context.forward({ ...record, value: remembered ?? 'nothing' })
      },
    }),
  }
}

/** An instance that takes over what a predecessor has left with that mark, and has one record to do. */
async function successor(metadata: string, index = new ModelIndex()) {
  const sink = new RecordingSink({ requestTimeoutMs })
  const group = await ScriptedGroup.open({ committed: { offset: 0, metadata } })
  await group.write(0, 'one')
  const instance = instanceIn(group, { topology: topologyTo(sink, (stream) => stream.process(lookingAt(index))) })
  await instance.start()
  const close = async () => {
    await finishing(group.clock, instance.close())
    await group[Symbol.asyncDispose]()
  }
  return { sink, group, index, [Symbol.asyncDispose]: close }
}

describe('a task whose predecessor did not say goodbye', () => {
  test.each(['millrace/1 open', ''])(
    'neither reads nor writes the index before the requests of the other have landed: "%s"',
    async (mark) => {
      await using next = await successor(mark)
      const { sink, group, index } = next

      await pass(group.clock, requestTimeoutMs - 1, 1_000)
      const early = [index.observed, sink.written.length]
      await pass(group.clock, 1)
      await until(group.clock, () => sink.written.length > 0)

      expect(early).toEqual([0, 0])
      expect(index.observed).toBe(1)
      expect(sink.written).toEqual(['0_0 nothing'])
    },
  )

  test('restores what the other wrote to the changelogs meanwhile', async () => {
    await using next = await successor('millrace/1 open')
    const { sink, group } = next
    await pass(group.clock, requestTimeoutMs / 2, 1_000)

    const predecessor = await group.log.producer()
    const change = { key: Buffer.from('key'), value: Buffer.from('late'), timestamp: 1, headers: noHeaders }
    await predecessor.send([{ topic: 'app-remembered-changelog', partition: 0, ...change }])
    await until(group.clock, () => sink.written.length > 0)

    expect(sink.written).toEqual(['0_0 late'])
  })
})

describe('a task whose predecessor left with nothing under way', () => {
  test.each(['millrace/1 quiet', 'millrace/1 clean'])('begins at once: "%s"', async (mark) => {
    await using next = await successor(mark)
    const { sink, group } = next
    const startedAt = group.clock.now()

    await until(group.clock, () => sink.written.length > 0)

    expect(group.clock.now() - startedAt).toBeLessThan(requestTimeoutMs)
  })
})

/** Documents to an index, as the pipeline of the product. */
function topologyOf(index: ReturnType<typeof sqliteIndex>, embedder = hash({ dimensions: 8 })) {
  const builder = new TopologyBuilder()
  builder
    .stream('documents', kafka({ topic: inTopic, key: string, value: string }))
    .process(dedupe('unchanged'))
    .process(chunk('chunks', { text: (document: string) => document }))
    .process(diff('changes', { against: index }))
    .process(embed('vectors', embedder))
    .to('index', index)
  return builder.build()
}

describe('a replay of what a crashed owner had brought to the index', () => {
  /** Runs the pipeline to the end of the log, and gives how many texts were embedded. */
  async function textsOfRun(group: ScriptedGroup, path: string): Promise<number> {
    const embedder = hash({ dimensions: 8 })
    const topology = topologyOf(sqliteIndex({ path }), embedder)
    await using instance = await runningIn(group, { topology, commitIntervalMs: 10_000 })
    await finishing(group.clock, instance.drain())
    return embedder.stats.texts
  }

  test('embeds nothing, though older versions of the documents come first', async () => {
    await using folder = await temporaryDirectory()
    const path = join(folder.path, 'index.db')
    await using crashed = await ScriptedGroup.open()
    for (const value of ['first', 'second', 'third']) {
      await crashed.write(0, { key: 'a', value }, { key: 'b', value: `${value} of b` })
    }
    const { clock, log } = crashed
    const before = await textsOfRun(crashed, path)

    const committed = { offset: 0, metadata: 'millrace/1 open' }
    const again = await textsOfRun(await ScriptedGroup.open({ clock, log, committed }), path)

    expect(before).toBeGreaterThan(0)
    expect(again).toBe(0)
  })
})

describe('a first start without commits', () => {
  async function pointsAfterRun(group: ScriptedGroup): Promise<number> {
    const index = sqliteIndex({ path: ':memory:' })
    const instance = await runningIn(group, { topology: topologyOf(index) })
    await finishing(group.clock, instance.drain())
    let points = 0
    for await (const _ of index.scan()) points++
    await finishing(group.clock, instance.close())
    return points
  }

  test('believes no changelog of an earlier life: an index that was lost is filled again', async () => {
    await using before = await ScriptedGroup.open()
    await before.write(0, { key: 'a', value: 'hello' }, { key: 'b', value: 'world' })
    const first = await pointsAfterRun(before)
    const { clock, log } = before

    const second = await pointsAfterRun(await ScriptedGroup.open({ clock, log }))

    expect([first, second]).toEqual([2, 2])
  })
})
