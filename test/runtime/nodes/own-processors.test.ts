import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { noHeaders } from '../../../src/record.ts'
import { msgpack, string } from '../../../src/serde.ts'
import type { StoreSpec } from '../../../src/state/store.ts'
import {
  keyValueStore,
  sessionStore,
  timestampedKeyValueStore,
  versionedStore,
  windowStore,
} from '../../../src/state/store-specs.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Processor, ProcessorContext, ProcessorSupplier } from '../../../src/topology/processor.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

type Context = ProcessorContext<string, string>

const words = kafka({ topic: 'words', key: string, value: string })
const out = kafkaTopic({ topic: 'out', key: string, value: string })
const right = kafkaTopic({ topic: 'right', key: string, value: string })

function stepWith(
  processor: Processor<string, string, string, string>,
  stores: readonly StoreSpec[] = [],
): ProcessorSupplier<string, string, string, string> {
  return { name: 'step', operator: 'step', stores, create: () => processor }
}

function through(step: ProcessorSupplier<string, string, string, string>) {
  const builder = new TopologyBuilder()
  builder.stream('words', words).process(step).to('out', out)
  return builder.build()
}

const passOn = (name: string): ProcessorSupplier<string, string, string, string> => ({
  ...stepWith({ process: (record, context) => context.forward({ ...record, value: `${name} ${record.value}` }) }),
  name,
})

describe('a processor of your own', () => {
  test('hands a record to the child that it names, and to nobody else; the name of no child is fatal', async () => {
    const builder = new TopologyBuilder()
    const routed = builder
      .stream('words', words)
      .process(stepWith({ process: (record, context) => context.forward(record, record.value ?? '') }))
    routed.process(passOn('left')).to('out', out)
    routed.process(passOn('right')).to('out-right', right)
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(words, { key: 'a', value: 'left' })
    const nowhere = driver.pipe(words, { key: 'b', value: 'nowhere' })

    await expect(nowhere).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fact: 'node "step" has no child named "nowhere"',
    })
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['left left'])
    expect(await driver.read(right)).toEqual([])
  })

  test('knows the time of the clock and the place of a record, and in a punctuator that there is none', async () => {
    const told: unknown[] = []
    const tell = (context: Context) => told.push([context.wallClock, context.streamTime, context.source])
    const step = stepWith({
      init: (context) => void context.schedule(50, 'wall-clock', () => tell(context)),
      process: (_, context) => void tell(context),
    })
    await using driver = await TopologyTestDriver.start(through(step), { startMs: 1_000 })

    await driver.pipe(words, { key: 'a', value: 'one', timestamp: 7 })
    await driver.advance(60)

    expect(told).toEqual([
      [1_000, 7, { topic: 'words', partition: 0, offset: 0 }],
      [1_060, 7, undefined],
    ])
  })

  test('what a punctuator writes and forwards is committed like what a record causes', async () => {
    const ticks = keyValueStore('ticks', { key: string, value: msgpack<number>() })
    const step = stepWith(
      {
        init(context) {
          context.schedule(100, 'wall-clock', (timestamp) => {
            const store = context.store(ticks)
            const count = (store.get('all') ?? 0) + 1
            store.put('all', count)
            context.forward({ key: 'tick', value: `${count}`, timestamp, headers: noHeaders })
          })
        },
        process: () => undefined,
      },
      [ticks],
    )
    await using driver = await TopologyTestDriver.start(through(step))
    await driver.advance(100)

    await driver.crashAndRestart()
    await driver.advance(100)

    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['1', '2'])
  })

  test('a punctuator that throws gives up what it did, not the task', async () => {
    const failed: string[] = []
    const step = stepWith({
      init(context) {
        context.schedule(100, 'stream-time', () => {
          throw new Error('no')
        })
      },
      process: (record, context) => context.forward(record),
    })
    const observer = { givenUp: ({ error }: { error: Error }) => void failed.push(error.message) }
    await using driver = await TopologyTestDriver.start(through(step), { observer })

    await driver.pipe(words, { key: 'a', value: 'one', timestamp: 5 })

    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['one'])
    expect(failed).toEqual([expect.stringContaining('node "step" failed: no')])
  })
})

/** What each kind of store remembers: written with the first record, told with every later one. */
const numbers = { key: string, value: msgpack<number>() }
const kinds = (storage: 'level' | 'memory', changelog: boolean) => {
  const kept = { ...numbers, storage, changelog }
  const plain = keyValueStore('plain', kept)
  const walked = keyValueStore('walked', { ...kept, keysInMemory: true })
  const timed = timestampedKeyValueStore('timed', { ...kept, ttlMs: 1_000 })
  const windows = windowStore('windows', { ...kept, retentionMs: 1_000 })
  const sessions = sessionStore('sessions', { ...kept, retentionMs: 1_000 })
  const versions = versionedStore('versions', { ...kept, historyMs: 1_000 })
  return {
    specs: [plain, walked, timed, windows, sessions, versions],
    write: (context: Context, timestamp: number) => {
      context.store(plain).put('k', 1)
      context.store(walked).put('k', 2)
      context.store(timed).put('k', { value: 3, timestamp })
      context.store(windows).put('k', 10, 4, timestamp)
      context.store(sessions).put({ key: 'k', window: { startMs: 5, endMs: 15 } }, 5, timestamp)
      context.store(versions).put('k', 6, timestamp)
    },
    told: (context: Context) =>
      JSON.stringify([
        context.store(plain).get('k') ?? null,
        [...context.store(walked).scan()],
        context.store(timed).get('k')?.value ?? null,
        context.store(windows).fetch('k', 10)?.value ?? null,
        context
          .store(sessions)
          .findSessions('k', 0, 100)
          .map(({ value }) => value),
        context.store(versions).get('k')?.value ?? null,
      ]),
  }
}

describe('the stores of a processor', () => {
  test.each([
    ['level', true],
    ['level', false],
    ['memory', true],
  ] as const)('of each kind are there after a crash: %s, changelog %s', async (storage, changelog) => {
    await using folder = await temporaryDirectory()
    const { specs, write, told } = kinds(storage, changelog)
    const step = stepWith(
      {
        process(record, context) {
          if (record.value === 'write') write(context, record.timestamp)
          else context.forward({ ...record, value: told(context) })
        },
      },
      specs,
    )
    const options = { stateInMemory: false, stateDirectory: folder.path }
    await using driver = await TopologyTestDriver.start(through(step), options)
    await driver.pipe(words, { key: 'a', value: 'tell', timestamp: 10 })
    await driver.pipe(words, { key: 'a', value: 'write', timestamp: 10 })

    await driver.crashAndRestart()
    await driver.pipe(words, { key: 'a', value: 'tell', timestamp: 20 })

    expect((await driver.read(out)).map(({ value }) => value)).toEqual([
      '[null,[],null,null,[],null]',
      '[1,[["k",2]],3,4,[5],6]',
    ])
  })

  test('in memory and without a changelog are lost with the process', async () => {
    const { specs, write, told } = kinds('memory', false)
    const step = stepWith(
      {
        process(record, context) {
          context.forward({ ...record, value: told(context) })
          write(context, record.timestamp)
        },
      },
      specs,
    )
    await using driver = await TopologyTestDriver.start(through(step))
    await driver.pipe(words, { key: 'a', value: 'one', timestamp: 10 })

    await driver.crashAndRestart()
    await driver.pipe(words, { key: 'a', value: 'two', timestamp: 20 })

    const nothing = '[null,[],null,null,[],null]'
    expect((await driver.read(out)).map(({ value }) => value)).toEqual([nothing, nothing])
  })
})
