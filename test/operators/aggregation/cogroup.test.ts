import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { cogroup, cogrouped, tumbling } from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyTestDriver } from '../../../src/testing.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import { describeTopology } from '../../../src/topology/describe.ts'
import type { Stream } from '../../../src/topology/stream.ts'
import { timeWindowed } from '../../../src/windowed.ts'

interface Order {
  readonly customer: string
  readonly total: number
}

const orders = kafka({ topic: 'orders', key: string, value: msgpack<Order>() })
const payments = kafka({ topic: 'payments', key: nullable(string), value: msgpack<number>() })
const target = kafkaTopic({ topic: 'out', key: string, value: msgpack<string>() })

/** A text that shows in which order what came. */
function history(builder: TopologyBuilder): Stream<string, string> {
  return builder.stream('orders', orders).process(
    cogroup(
      'history',
      {
        by: (order) => order?.customer ?? null,
        initialize: () => '',
        add: (text, order, customer) => `${text} ${customer} owes ${order.total}`.trim(),
      },
      cogrouped(builder.stream('payments', payments), (text, paid) => (paid === 0 ? null : `${text} pays ${paid}`)),
    ),
  )
}

describe('cogroup', () => {
  test('adds the values of each stream to one aggregate in its own way, and goes on after a restart', async () => {
    const builder = new TopologyBuilder()
    history(builder).to('out', target)
    await using driver = await TopologyTestDriver.start(builder.build())

    await driver.pipe(orders, { key: '1', value: { customer: 'ann', total: 5 }, timestamp: 20 })
    await driver.crashAndRestart()
    await driver.pipe(payments, { key: 'ann', value: 3, timestamp: 10 })
    await driver.pipe(payments, { key: 'ann', value: null }, { key: null, value: 1 }, { key: 'ann', value: 0 })

    expect((await driver.read(target)).map(({ key, value }) => [key, value])).toEqual([
      ['ann', 'ann owes 5'],
      ['ann', 'ann owes 5 pays 3'],
      ['ann', null],
    ])
  })

  test('has one store, and a repartition topic for each stream that comes under another key', () => {
    const builder = new TopologyBuilder()
    const other = cogrouped(builder.stream('returns', { ...orders, topic: 'returns' }), (sum: number) => sum - 1, {
      by: (order) => order?.customer ?? null,
    })
    builder
      .stream('orders', orders)
      .process(
        cogroup('sum', { by: (order) => order?.customer ?? null, initialize: () => 0, add: (sum) => sum + 1 }, other),
      )

    expect(describeTopology(builder.build()).internalTopics).toEqual([
      'sum-repartition',
      'sum-returns-repartition',
      'sum-changelog',
    ])
  })

  test('counts what it drops, and drops null values in windows too', async () => {
    const dropped: string[] = []
    const builder = new TopologyBuilder()
    const counts = builder.stream('payments', payments).process(
      cogroup(
        'counts',
        { window: tumbling({ sizeMs: 100 }), initialize: () => 0, add: (sum, paid) => sum + paid },
        cogrouped(builder.stream('more', { ...payments, topic: 'more' }), (sum, paid) => sum + 10 * paid),
      ),
    )
    const windows = kafkaTopic({ topic: 'out', key: timeWindowed(string, 100), value: msgpack<number>() })
    counts.to('out', windows)
    const observer = { dropped: (_: unknown, reason: string) => void dropped.push(reason) }
    await using driver = await TopologyTestDriver.start(builder.build(), { observer })

    await driver.pipe(payments, { key: 'a', value: 1, timestamp: 90 }, { key: null, value: 1, timestamp: 90 })
    await driver.pipe({ ...payments, topic: 'more' }, { key: 'a', value: 1, timestamp: 10 })
    await driver.pipe({ ...payments, topic: 'more' }, { key: 'a', value: null, timestamp: 500 })
    await driver.pipe(payments, { key: 'a', value: 1, timestamp: 110 }, { key: 'a', value: 1, timestamp: 20 })

    expect((await driver.read(windows)).map(({ key, value }) => [key.window.startMs, value])).toEqual([
      [0, 1],
      [0, 11],
      [100, 1],
    ])
    expect(dropped).toEqual(['null_key', 'null_value', 'late'])
  })

  test('equals one fold over all records, wherever it crashes', async () => {
    const side = fc.constantFrom('order', 'payment')
    const step = fc.record({ side, customer: fc.constantFrom('ann', 'bob'), n: fc.nat(9) })
    const steps = fc.array(step, { minLength: 1, maxLength: 15, size: 'max' })

    await fc.assert(
      fc.asyncProperty(steps, fc.nat(14), async (inputs, stop) => {
        const builder = new TopologyBuilder()
        history(builder).to('out', target)
        await using driver = await TopologyTestDriver.start(builder.build())
        for (const [index, { side, customer, n }] of inputs.entries()) {
          if (index === stop) await driver.crashAndRestart()
          if (side === 'order') await driver.pipe(orders, { key: `${index}`, value: { customer, total: n } })
          else await driver.pipe(payments, { key: customer, value: n })
        }

        const last = new Map((await driver.read(target)).map(({ key, value }) => [key, value]))

        expect(last).toEqual(inputs.reduce(folded, new Map<string, string | null>()))
      }),
      { numRuns: 10 },
    )
  })
})

function folded(
  texts: Map<string, string | null>,
  { side, customer, n }: { readonly side: string; readonly customer: string; readonly n: number },
): Map<string, string | null> {
  const text = texts.get(customer) ?? ''
  if (side === 'order') return texts.set(customer, `${text} ${customer} owes ${n}`.trim())
  return texts.set(customer, n === 0 ? null : `${text} pays ${n}`)
}
