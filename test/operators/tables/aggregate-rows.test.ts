import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { aggregate, count, filter, reduce } from '../../../src/operators/index.ts'
import { msgpack, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'

interface User {
  readonly country: string
  readonly age: number
}

const updates = kafka({ topic: 'users', key: string, value: msgpack<User>() })
const output = kafkaTopic({ topic: 'out', key: string, value: msgpack<unknown>() })

async function driven(between: (users: Table<string, User>) => Stream<string, unknown>) {
  const builder = new TopologyBuilder()
  between(builder.table('users', updates)).to('out', output)
  return TopologyTestDriver.start(builder.build())
}

async function outputs(driver: TopologyTestDriver): Promise<string[]> {
  return (await driver.read(output)).map(({ key, value }) => `${key}=${JSON.stringify(value)}`)
}

describe('rows of a table under another key', () => {
  test('are counted where they are, and a group that loses its last row stays with 0', async () => {
    await using driver = await driven((users) =>
      users.process(count('per-country', { by: (user) => user?.country ?? null })).toStream(),
    )

    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 30 } })
    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 31 } })
    await driver.pipe(updates, { key: 'ann', value: { country: 'IT', age: 31 } })
    await driver.pipe(updates, { key: 'ann', value: null }, { key: 'bob', value: null })

    expect(await outputs(driver)).toEqual(['FR=1', 'FR=1', 'FR=0', 'IT=1', 'IT=0'])
  })

  test('are in no group when theirs is null', async () => {
    await using driver = await driven((users) =>
      users
        .process(
          reduce('oldest', (a, b) => (a.age > b.age ? a : b), {
            by: (user) => (user.age < 18 ? null : user.country),
            subtract: (oldest) => oldest,
          }),
        )
        .toStream(),
    )

    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 8 } })
    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 18 } })

    expect(await outputs(driver)).toEqual(['FR={"country":"FR","age":18}'])
  })

  test('stay in a group that is no primitive value', async () => {
    const place = msgpack<{ country: string }>()
    await using driver = await driven((users) =>
      users
        .process(
          aggregate('ages', {
            by: ({ country }) => ({ country }),
            key: place,
            initialize: () => [0],
            add: (ages: readonly number[], { age }) => [...ages, age],
            subtract: (ages, { age }) => ages.filter((other) => other !== age),
          }),
        )
        .toStream()
        .process({
          name: 'named',
          operator: 'named',
          create: () => ({
            process: (record, context) => context.forward({ ...record, key: record.key.country }),
          }),
        }),
    )

    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 30 } })
    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 31 } })

    expect(await outputs(driver)).toEqual(['FR=[0,30]', 'FR=[0,31]'])
  })

  test('are taken out again after a crash', async () => {
    await using driver = await driven((users) =>
      users.process(count('per-country', { by: (user) => user?.country ?? null })).toStream(),
    )
    await driver.pipe(updates, { key: 'ann', value: { country: 'FR', age: 30 } })

    await driver.crashAndRestart()
    await driver.pipe(updates, { key: 'ann', value: { country: 'IT', age: 30 } })

    expect(await outputs(driver)).toEqual(['FR=1', 'FR=0', 'IT=1'])
  })
})

describe('the results of an aggregation', () => {
  test('are a table in the store that it has anyway', async () => {
    const builder = new TopologyBuilder()
    const counts = builder.stream('updates', updates).toTable(count('per-user'))
    const many = counts.process(filter('many', (times) => times > 1))
    many.toStream().to('out', kafkaTopic({ topic: 'out', key: string, value: msgpack<number>() }))
    const topology = builder.build()
    await using driver = await TopologyTestDriver.start(topology)

    const user = { country: 'FR', age: 30 }
    await driver.pipe(updates, { key: 'ann', value: user }, { key: 'bob', value: user }, { key: 'ann', value: user })

    expect(await outputs(driver)).toEqual(['ann=2'])
    expect([...topology.stores.keys()]).toEqual(['per-user'])
  })
})
