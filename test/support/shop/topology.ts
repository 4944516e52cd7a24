import { kafkaTopic } from '../../../src/connectors/kafka/sink.ts'
import { kafka } from '../../../src/connectors/kafka/source.ts'
import {
  aggregate,
  count,
  joinTable,
  latest,
  leftJoinStream,
  outerJoinTable,
  tumbling,
} from '../../../src/operators/index.ts'
import { msgpack, type Serde, string } from '../../../src/serde.ts'
import { TopologyBuilder } from '../../../src/topology/builder.ts'
import type { Topology } from '../../../src/topology/topology.ts'
import { timeWindowed } from '../../../src/windowed.ts'

export interface Customer {
  readonly city: string
}

/** A version of an order: an order keeps its key, and `number` is of this version alone. */
export interface Order {
  readonly number: number
  readonly customer: string
  readonly product: string
  readonly pieces: number
}

export interface Payment {
  readonly number: number
  readonly amount: number
}

export interface Sold {
  readonly orders: number
  readonly pieces: number
}

/** Nothing is late before the record that closes all windows. */
const graceMs = 3_600_000
export const payWithin = { beforeMs: 0, afterMs: 2_000, graceMs }
export const busyWindow = tumbling({ sizeMs: 10_000, graceMs })

/** Topics whose names begin with `prefix`: what the shop reads, and what it tells. */
export function shopTopics(prefix: string) {
  const named = <K, V>(name: string, key: Serde<K>, value: Serde<V>) => ({ topic: `${prefix}-${name}`, key, value })
  return {
    customers: named('customers', string, msgpack<Customer>()),
    orders: named('orders', string, msgpack<Order>()),
    payments: named('payments', string, msgpack<Payment>()),
    sold: named('sold', string, msgpack<Sold>()),
    busy: named('busy', timeWindowed(string, busyWindow.sizeMs), msgpack<number>()),
    settled: named('settled', string, string),
    sent: named('sent', string, string),
    balance: named('balance', string, string),
  }
}

/** Tables of streams and of tables, groups, windows and joins, with four sub-topologies between repartition topics. */
export function shopTopology(prefix: string): Topology {
  const topics = shopTopics(prefix)
  const builder = new TopologyBuilder()
  const customers = builder.table('customers', kafka(topics.customers))
  const orders = builder.stream('orders', kafka(topics.orders))
  const payments = builder.stream('payments', kafka(topics.payments))
  const latestOrders = orders.toTable(latest('latest-orders'))
  const paid = payments.toTable(aggregate('paid', { initialize: () => 0, add: (sum, { amount }) => sum + amount }))

  latestOrders
    .process(
      aggregate('sold', {
        by: ({ product }) => product,
        initialize: (): Sold => ({ orders: 0, pieces: 0 }),
        add: (sold, { pieces }) => ({ orders: sold.orders + 1, pieces: sold.pieces + pieces }),
        subtract: (sold, { pieces }) => ({ orders: sold.orders - 1, pieces: sold.pieces - pieces }),
      }),
    )
    .toStream()
    .to('sold-out', kafkaTopic(topics.sold))
  orders
    .process(count('busy', { by: (order) => order?.customer ?? null, window: busyWindow }))
    .to('busy-out', kafkaTopic(topics.busy))
  orders
    .process(
      leftJoinStream('settled', payments, (order, payment) => `${order.number} ${payment?.number ?? '-'}`, {
        within: payWithin,
      }),
    )
    .to('settled-out', kafkaTopic(topics.settled))
  orders
    .process(
      joinTable('sent', customers, (order, { city }) => `${order.number} ${city}`, { by: (order) => order.customer }),
    )
    .to('sent-out', kafkaTopic(topics.sent))
  latestOrders
    .process(outerJoinTable('balance', paid, (order, sum) => `${order?.number ?? '-'} ${sum ?? '-'}`))
    .toStream()
    .to('balance-out', kafkaTopic(topics.balance))
  return builder.build()
}
