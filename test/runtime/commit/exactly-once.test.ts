import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { embeddedBroker } from '../../../src/connectors/embedded/broker.ts'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker, Producer, Transaction } from '../../../src/runtime/broker.ts'
import type { Failpoint } from '../../../src/runtime/commit/checkpoint.ts'
import type { RuntimeObserver } from '../../../src/runtime/observer.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../../src/runtime/stream-runtime.ts'
import { msgpack, string } from '../../../src/serde.ts'
import type { KeyValueStore } from '../../../src/state/store.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { overlaid } from '../../support/overlaid.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

/** Counts words; each count goes to a topic. `poison` cannot be counted, and `huge` makes an output that no topic takes. */
function countTopology(): Topology {
  const builder = new TopologyBuilder()
  builder
    .stream('words', kafka({ topic: 'words', key: string, value: string }))
    .process<string, string>({
      name: 'counts',
      operator: 'count',
      stores: [{ kind: 'key-value', name: 'counts', key: string, value: msgpack<number>() }],
      create: () => ({
        process(record, context) {
          if (record.value === 'poison') throw new Error('cannot be counted')
          const store = context.store<KeyValueStore<string, number>>('counts')
          const count = (store.get(record.key) ?? 0) + 1
          store.put(record.key, count)
          context.forward({ ...record, value: record.value === 'huge' ? 'x'.repeat(5_000) : String(count) })
        },
      }),
    })
    .to('counted', kafkaTopic({ topic: 'counted', key: string, value: string }))
  return builder.build()
}

async function openBroker(): Promise<Broker> {
  const broker = embeddedBroker()
  await broker.open()
  await broker.createTopics([
    { topic: 'words', partitions: 2 },
    { topic: 'counted', partitions: 2, settings: { 'max.message.bytes': '4000' } },
  ])
  return broker
}

/** Partition by the first letter, so that a test knows who meets whom. */
async function produce(broker: Broker, words: readonly string[]): Promise<void> {
  await using producer = disposable(await broker.producer())
  const records = words.map((word) => ({
    topic: 'words',
    partition: word.charCodeAt(0) % 2,
    key: Buffer.from(word),
    value: Buffer.from(word),
    timestamp: 1,
    headers: noHeaders,
  }))
  await producer.send(records)
}

function disposable(producer: Producer): Producer & AsyncDisposable {
  return Object.assign(producer, { [Symbol.asyncDispose]: () => producer.close() })
}

/** What a reader of committed records sees in a topic, as `key=value`. */
async function contents(broker: Broker, topic: string): Promise<string[]> {
  const seen: string[] = []
  for (let partition = 0; partition < ((await broker.topics([topic])).get(topic)?.partitions ?? 0); partition++) {
    for await (const { records } of broker.read({ topic, partition }, 0)) {
      seen.push(...records.map(({ key, value }) => `${Buffer.from(key ?? [])}=${value && Buffer.from(value)}`))
    }
  }
  return seen
}

/** Stops every commit at one of its steps until it may go on. */
function heldAt(point: Failpoint) {
  const arrived = Promise.withResolvers<void>()
  const mayGoOn = Promise.withResolvers<void>()
  const failpoint = async (reached: Failpoint): Promise<void> => {
    if (reached !== point) return
    arrived.resolve()
    await mayGoOn.promise
  }
  return { arrived, mayGoOn, failpoint }
}

async function started(broker: Broker, options: Partial<StreamRuntimeOptions> = {}): Promise<StreamRuntime> {
  const runtime = new StreamRuntime({
    application: 'count',
    topology: countTopology(),
    processingGuarantee: 'exactly_once',
    commitIntervalMs: 10,
    stateInMemory: true,
    broker,
    ...options,
  })
  await runtime.start()
  return runtime
}

/** Lets commits pass until it is told to hold them; a held one fails when it is released, its transaction still open. */
function holdingCommits(broker: Broker) {
  const arrived = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  let isHolding = false
  const producer: Broker['producer'] = async (options) => {
    const inner = await broker.producer(options)
    const begin = async () => {
      const transaction = await inner.begin()
      const commit = async () => {
        if (!isHolding) return transaction.commit()
        arrived.resolve()
        await released.promise
        throw new StreamError('PRODUCE_FAILED', 'crashed')
      }
      return overlaid(transaction, { commit })
    }
    return overlaid(inner, { begin })
  }
  const hold = () => {
    isHolding = true
  }
  return { broker: overlaid(broker, { producer }), hold, arrived: arrived.promise, release: released.resolve }
}

/** Kills the runtime at its `count`th arrival at a failpoint: nothing of it happens after that, as in a crash. */
async function runUntilCrash(
  broker: Broker,
  point: Failpoint,
  { count = 1, ...options }: Partial<StreamRuntimeOptions> & { readonly count?: number } = {},
): Promise<void> {
  const arrived = Promise.withResolvers<void>()
  const killed = Promise.withResolvers<void>()
  let left = count
  const failpoint = async (reached: Failpoint): Promise<void> => {
    if (reached !== point || --left > 0) return
    arrived.resolve()
    await killed.promise
    throw new Error('crashed')
  }
  const runtime = await started(broker, { ...options, failpoint })
  await arrived.promise
  const end = runtime.kill()
  killed.resolve()
  await end
}

/** Replaces `commit` of every transaction, the first time. */
function commitOnce(broker: Broker, commit: (transaction: Transaction) => Promise<void>): Broker {
  let isDone = false
  const wrapped = (transaction: Transaction): Transaction => ({
    send: (records) => transaction.send(records),
    sendOffsets: (group, offsets) => transaction.sendOffsets(group, offsets),
    abort: () => transaction.abort(),
    commit: async () => {
      if (isDone) return transaction.commit()
      isDone = true
      return commit(transaction)
    },
  })
  const producer: Broker['producer'] = async (options) => {
    const inner = await broker.producer(options)
    return overlaid(inner, { begin: async () => wrapped(await inner.begin()) })
  }
  return overlaid(broker, { producer })
}

const words = Array.from({ length: 60 }, (_, index) => `${'abcdef'[index % 6]}`)
const tenOfEach = [...'abcdef'].flatMap((word) => Array.from({ length: 10 }, (_, index) => `${word}=${index + 1}`))

describe('with exactly_once', () => {
  test.each<Failpoint>(['before-changelog', 'before-offsets', 'before-local-state', 'committed'])(
    'every count appears exactly once after a crash at %s',
    async (point) => {
      await using broker = await openBroker()
      await produce(broker, words.slice(0, 30))
      await runUntilCrash(broker, point)
      await produce(broker, words.slice(30, 45))
      await runUntilCrash(broker, point, { count: 2 })
      await produce(broker, words.slice(45))

      await using last = await started(broker)
      await last.drain()

      expect((await contents(broker, 'counted')).sort()).toEqual(tenOfEach.toSorted())
    },
  )

  test('outputs appear with the commit of their generation, not before', async () => {
    await using broker = await openBroker()
    const { arrived, mayGoOn, failpoint } = heldAt('before-changelog')
    await produce(broker, ['a', 'a'])
    await using runtime = await started(broker, { failpoint })

    await arrived.promise
    const before = await contents(broker, 'counted')
    mayGoOn.resolve()
    await runtime.drain()

    expect(before).toEqual([])
    expect(await contents(broker, 'counted')).toEqual(['a=1', 'a=2'])
  })

  test.each([
    ['committed', (transaction: Transaction) => transaction.commit()],
    ['not committed', (transaction: Transaction) => transaction.abort()],
  ])('a transaction of unknown outcome, in truth %s, counts nothing twice and loses nothing', async (_, truth) => {
    await using broker = await openBroker()
    await produce(broker, words.slice(0, 30))
    const uncertain = commitOnce(broker, async (transaction) => {
      await truth(transaction)
      throw new StreamError('PRODUCE_FAILED', 'the answer was lost')
    })

    await using runtime = await started(uncertain)
    await runtime.drain()
    await produce(broker, words.slice(30))
    await runtime.drain()

    expect((await contents(broker, 'counted')).sort()).toEqual(tenOfEach.toSorted())
  })

  test('an output that the topic refuses is a dead letter, and the rest of its generation is committed', async () => {
    await using broker = await openBroker()
    await produce(broker, ['a', 'huge', 'a'])

    await using runtime = await started(broker)
    await runtime.drain()

    expect((await contents(broker, 'counted')).sort()).toEqual(['a=1', 'a=2'])
    expect(await contents(broker, 'count-dead-letter')).toEqual(['huge=null'])
  })

  test('a dead letter appears with the commit of its record, once', async () => {
    await using broker = await openBroker()
    await produce(broker, ['a', 'poison'])
    await runUntilCrash(broker, 'before-changelog')

    await using runtime = await started(broker)
    await runtime.drain()

    expect(await contents(broker, 'count-dead-letter')).toEqual(['poison=poison'])
  })

  test('a standby takes over with what was committed, and nothing of the transaction that its owner has left open', async () => {
    await using folder = await temporaryDirectory()
    await using broker = await openBroker()
    const [lags, restored] = [new Map<string, number>(), new Map<string, number>()]
    const options = { stateInMemory: false, numStandbyReplicas: 1 }
    const observer: RuntimeObserver = {
      standby: ({ task, lag }) => void lags.set(task, lag),
      restored: ({ task, records }) => void restored.set(task, records),
    }
    const caughtUp = async () => {
      lags.clear()
      await expect.poll(() => [...lags.values()], { interval: 5 }).toEqual([0])
    }
    const holding = holdingCommits(broker)
    const owner = await started(holding.broker, { ...options, stateDirectory: join(folder.path, 'owner') })
    await using other = await started(broker, { ...options, observer, stateDirectory: join(folder.path, 'other') })
    await expect.poll(() => [owner.tasks.length, other.tasks.length]).toEqual([1, 1])
    await produce(broker, words.slice(0, 30))
    await Promise.all([owner.drain(), other.drain()])
    await caughtUp()
    restored.clear()

    // when: the owner has sent a transaction, the standby has looked again, and the owner is gone
    holding.hold()
    await produce(broker, words.slice(30))
    await holding.arrived
    await caughtUp()
    const end = owner.kill()
    holding.release()
    await end
    await expect.poll(() => other.tasks.length).toBe(2)
    await other.drain()

    expect((await contents(broker, 'counted')).sort()).toEqual(tenOfEach.toSorted())
    expect([...restored.values()]).toEqual([0])
  })

  test('an owner that was replaced without knowing it commits nothing', async () => {
    await using broker = await openBroker()
    const { arrived, mayGoOn, failpoint } = heldAt('before-changelog')
    await produce(broker, ['a'])
    await using zombie = await started(broker, { failpoint })
    await arrived.promise

    // when: a newer producer of the task exists, and the old owner goes on
    await using _ = disposable(await broker.producer({ transactionalId: `count-${zombie.tasks[0]?.id}` }))
    await using __ = disposable(await broker.producer({ transactionalId: `count-${zombie.tasks[1]?.id}` }))
    mayGoOn.resolve()
    await expect.poll(() => zombie.tasks.length).toBeLessThan(2)

    expect(await contents(broker, 'counted')).toEqual([])
  })
})

test('with at_least_once counts may be repeated after a crash, and none is missing', async () => {
  await using broker = await openBroker()
  await produce(broker, words.slice(0, 30))
  await runUntilCrash(broker, 'before-offsets', { processingGuarantee: 'at_least_once' })
  await produce(broker, words.slice(30))

  await using second = await started(broker, { processingGuarantee: 'at_least_once' })
  await second.drain()

  expect(await contents(broker, 'counted')).toEqual(expect.arrayContaining(tenOfEach))
})
