import { describe, expect, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { StreamError } from '../../../src/errors.ts'
import { silentLogger } from '../../../src/logger.ts'
import { nullable, type Serde, string, type TopicPart } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { input } from '../../support/drive.ts'
import { pass, runningIn, settled, until } from '../../support/instance.ts'
import { RecordingSink } from '../../support/recording-sink.ts'
import { inTopic, ScriptedGroup } from '../../support/scripted-group.ts'

/** Texts that can be read once what they begin with was brought. */
class SerdeInNeed implements Serde<string> {
  readonly name = 'in need'
  readonly known = new Set<string>()
  readonly asked: string[] = []
  readonly signals: AbortSignal[] = []
  #waiting: { readonly need: string; readonly resolve: () => void; readonly reject: (error: unknown) => void }[] = []

  prepare(bytes: Uint8Array, signal: AbortSignal): Promise<void> | undefined {
    const need = needOf(bytes)
    if (need === undefined || this.known.has(need)) return undefined
    this.asked.push(need)
    this.signals.push(signal)
    return new Promise((resolve, reject) => this.#waiting.push({ need, resolve, reject }))
  }

  bring(need: string): void {
    this.known.add(need)
    for (const waiting of this.#waiting) if (waiting.need === need) waiting.resolve()
  }

  refuse(error: unknown): void {
    for (const { reject } of this.#waiting) reject(error)
  }

  serialize = string.serialize

  deserialize(bytes: Uint8Array): string {
    const need = needOf(bytes)
    if (need !== undefined && !this.known.has(need)) throw new Error(`read without ${need}`)
    return string.deserialize(bytes)
  }
}

const needOf = (bytes: Uint8Array) => /^#\w+/.exec(string.deserialize(bytes))?.[0]

async function instanceWith(value: Serde<string>, group: ScriptedGroup, options = {}) {
  const sink = new RecordingSink()
  const builder = new TopologyBuilder()
  builder.stream('in', kafka({ topic: inTopic, key: string, value })).to('out', sink)
  const instance = await runningIn(group, { topology: builder.build(), ...options })
  return { instance, sink }
}

describe('a record that cannot be read yet', () => {
  test('holds its partition, in order, until what it needs is there', async () => {
    const serde = new SerdeInNeed()
    await using group = await ScriptedGroup.open()
    const { instance, sink } = await instanceWith(serde, group)
    await using _ = instance

    await group.write(0, 'before', '#a one', '#a two', { value: null }, 'after')
    await pass(group.clock, 1_000)
    const meanwhile = [...sink.written]
    serde.bring('#a')
    await until(group.clock, () => sink.written.length === 5)

    expect(meanwhile).toEqual(['0_0 before'])
    expect(sink.written).toEqual(['0_0 before', '0_0 #a one', '0_0 #a two', '0_0 null', '0_0 after'])
    expect(serde.asked).toEqual(['#a'])
  })

  test('leaves other partitions alone', async () => {
    const serde = new SerdeInNeed()
    await using group = await ScriptedGroup.open({ partitions: 2 })
    const { instance, sink } = await instanceWith(serde, group)
    await using _ = instance

    await group.write(0, '#a one')
    await group.write(1, 'two')
    await until(group.clock, () => sink.written.length > 0)

    expect(sink.written).toEqual(['0_1 two'])
  })

  test('is not committed over', async () => {
    const serde = new SerdeInNeed()
    await using group = await ScriptedGroup.open()
    const { instance } = await instanceWith(serde, group)
    await group.write(0, 'before', '#a one')
    await until(group.clock, () => group.committed()?.offset === 1)

    await instance.close()

    expect(group.committed()).toMatchObject({ offset: 1 })
    expect(serde.signals.map(({ aborted }) => aborted)).toEqual([true])
  })

  test('may wait longer than the deadline of a task that gets nowhere', async () => {
    const serde = new SerdeInNeed()
    await using group = await ScriptedGroup.open()
    const { instance, sink } = await instanceWith(serde, group, { processingDeadlineMs: 10_000 })
    await using _ = instance
    await group.write(0, '#a one')

    await pass(group.clock, 60_000, 1_000)
    const { state } = instance
    serde.bring('#a')
    await until(group.clock, () => sink.written.length === 1)

    expect(state).toBe('running')
  })

  test('is told of when it waits for long, every ten seconds until it does not', async () => {
    const serde = new SerdeInNeed()
    const said: unknown[] = []
    const logger = { ...silentLogger, warn: (_: object, text: string) => void said.push(text) }
    await using group = await ScriptedGroup.open()
    const { instance, sink } = await instanceWith(serde, group, { logger })
    await using _ = instance
    await group.write(0, '#a one')

    await pass(group.clock, 9_000, 1_000)
    const early = [...said]
    await pass(group.clock, 12_000, 1_000)
    serde.bring('#a')
    await until(group.clock, () => sink.written.length === 1)
    await pass(group.clock, 20_000, 1_000)

    const sentence = 'the next record waits for what its serde asks a server for (in need)'
    expect([early, said]).toEqual([[], [sentence, sentence]])
  })

  test('ends the instance when it never will be', async () => {
    const serde = new SerdeInNeed()
    await using group = await ScriptedGroup.open()
    const { instance } = await instanceWith(serde, group)
    await group.write(0, '#a one')
    await until(group.clock, () => serde.asked.length > 0)

    serde.refuse(new StreamError('REGISTRY_DENIED', 'no'))
    await settled()

    await expect(instance.finished).rejects.toMatchObject({ code: 'REGISTRY_DENIED' })
    expect(serde.asked).toHaveLength(1)
  })

  test('holds the other topics of its task as well: which record comes next depends on its time', async () => {
    const serde = new SerdeInNeed()
    const left = kafka({ topic: 'left', key: string, value: serde })
    const right = kafka({ topic: 'right', key: string, value: string })
    const seen: string[] = []
    const builder = new TopologyBuilder()
    const other = builder.stream('right', right)
    builder.stream('left', left).process({
      name: 'both',
      operator: 'both',
      inputs: [other],
      create: () => ({ process: ({ value }) => void seen.push(String(value)) }),
    })
    await using driver = await TopologyTestDriver.start(builder.build())

    const later = driver.pipe(left, { key: 'k', value: '#a first', timestamp: 1 })
    await until(driver.clock, () => serde.asked.length > 0)
    const all = [later, driver.pipe(right, { key: 'k', value: 'second', timestamp: 2 })]
    await settled()
    const meanwhile = [...seen]
    serde.bring('#a')
    await Promise.all(all)

    expect(meanwhile).toEqual([])
    expect(seen).toEqual(['#a first', 'second'])
  })
})

describe('a serde that depends on the topic', () => {
  /** Marks what it writes with where it goes. */
  function marking(opened: TopicPart[]): Serde<unknown> {
    const refuse = () => {
      throw new Error('written without a topic')
    }
    return {
      name: 'marking',
      serialize: refuse,
      deserialize: string.deserialize,
      forTopic: async (part) => {
        opened.push(part)
        return {
          name: 'marking',
          serialize: (value) => string.serialize(`${part.topic} ${part.part} ${value}`),
          deserialize: (bytes) => string.deserialize(bytes),
        }
      },
    }
  }

  test('is asked once for each end of a topic, by the name on the broker, before anything is written', async () => {
    const opened: TopicPart[] = []
    const serde = marking(opened)
    const target = { kind: 'topic-target', topic: 'out', key: string, value: serde } as const
    const builder = new TopologyBuilder()
    builder
      .stream('in', input)
      .process({
        name: 'moved',
        operator: 'moved',
        create: () => ({ process: (record, context) => context.forward(record) }),
        repartition: { key: string, value: serde },
      })
      .to('out', target)
    await using driver = await TopologyTestDriver.start(builder.build())
    const before = [...opened]

    await driver.pipe(input, { key: 'k', value: 'v' }, { key: 'k', value: null })

    expect(before.map(({ topic, part }) => `${topic} ${part}`).toSorted()).toEqual([
      'out value',
      'test-moved-repartition value',
    ])
    expect(opened).toEqual(before)
    expect((await driver.read(target)).map(({ value }) => value)).toEqual([
      'out value test-moved-repartition value v',
      null,
    ])
  })

  test('stays what it is when its key may be missing', async () => {
    const opened: TopicPart[] = []

    const serde = await nullable(marking(opened)).forTopic?.({ topic: 't', part: 'key' }, new AbortController().signal)

    expect(serde?.nullable).toBe(true)
    expect(string.deserialize(serde?.serialize('k') ?? new Uint8Array())).toBe('t key k')
  })
})

describe('stores', () => {
  test('of tables keep such values as MessagePack', async () => {
    const serde = new SerdeInNeed()
    serde.known.add('#a')
    const source = kafka({ topic: 'authors', key: string, value: serde })
    const builder = new TopologyBuilder()
    builder.table('authors', source)
    await using driver = await TopologyTestDriver.start(builder.build())
    await driver.pipe(source, { key: 'k', value: '#a text' })

    serde.known.clear()

    expect(driver.store('authors').get('k')).toMatchObject({ value: '#a text' })
  })

  test('of others refuse such a serde', () => {
    const serde = new SerdeInNeed()
    const builder = new TopologyBuilder()
    builder.stream('in', input).process({
      name: 'keeps',
      operator: 'keeps',
      stores: [{ kind: 'key-value', name: 'kept', key: string, value: serde }],
      create: () => ({ process: () => undefined }),
    })

    expect(() => builder.build()).toThrow('the store "kept" has a serde that asks a server, which is for topics')
  })
})
