import { expectTypeOf, test } from 'vitest'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import { cogroup, cogrouped, session } from '../../../src/operators/index.ts'
import { msgpack, nullable, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Stream, Table } from '../../../src/topology/stream.ts'
import type { Windowed } from '../../../src/windowed.ts'

interface Order {
  readonly customer: string
  readonly total: number
}

const orders = kafka({ topic: 'orders', key: string, value: msgpack<Order>() })
const payments = kafka({ topic: 'payments', key: nullable(string), value: msgpack<number>() })

/** Checked by the compiler: an expected error that does not occur is itself an error. */
function theseDoNotCompile(paid: Stream<string, number>, numbered: Stream<number, number>): void {
  const sum = { initialize: () => 0, add: (total: number, value: number) => total + value }
  const inNumbers = cogrouped(numbered, (total: number, value) => total + value)
  const ofTexts = cogrouped(paid, (total: string, value) => total + value)
  const sums = cogrouped(paid, (total: number, value) => total + value)
  // @ts-expect-error the keys of the streams differ
  paid.process(cogroup('a', sum, inNumbers))
  // @ts-expect-error the aggregate is no text
  paid.process(cogroup('b', sum, ofTexts))
  // @ts-expect-error sessions need a way to join two aggregates
  paid.process(cogroup('c', { ...sum, window: session({ gapMs: 1 }) }, sums))
}

test('types of keys, values and aggregates flow through without annotations', () => {
  const builder = new TopologyBuilder()
  const byId = builder.stream('orders', orders)
  const paid = builder.stream('payments', payments)

  const customers = paid.toTable(
    cogroup(
      'customers',
      { initialize: () => ({ orders: 0, paid: 0 }), add: (sum, value) => ({ ...sum, paid: sum.paid + value }) },
      cogrouped(
        byId,
        (sum, order, customer) => {
          expectTypeOf(order).toEqualTypeOf<Order>()
          expectTypeOf(customer).toEqualTypeOf<string>()
          return { ...sum, orders: sum.orders + 1 }
        },
        { by: (order) => order?.customer ?? null },
      ),
    ),
  )
  expectTypeOf(customers).toEqualTypeOf<Table<string, { orders: number; paid: number }>>()

  const sessions = byId.process(
    cogroup(
      'sessions',
      {
        window: session({ gapMs: 10 }),
        by: (order) => order?.total ?? null,
        key: msgpack<number>(),
        initialize: () => 0,
        add: (sum, order) => sum + order.total,
        merge: (a, b) => a + b,
      },
      cogrouped(paid, (sum, value) => sum + value, { by: (value) => value }),
    ),
  )
  expectTypeOf(sessions).toEqualTypeOf<Stream<Windowed<number>, number>>()
  expectTypeOf(theseDoNotCompile).toBeFunction()
})
