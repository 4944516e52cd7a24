import { busyWindow, type Customer, type Order, type Payment, payWithin, type Sold } from './topology.ts'

/** A record of a topic, decoded. */
export interface Entry<K, V> {
  readonly partition: number
  readonly key: K
  readonly value: V | null
  readonly timestamp: number
}

/** What the shop read, each topic in the order of its partitions. */
export interface ShopInputs {
  readonly customers: readonly Entry<string, Customer>[]
  readonly orders: readonly Entry<string, Order>[]
  readonly payments: readonly Entry<string, Payment>[]
}

/** What the shop has told in the end: tables as they are, and of joins with a stream every record, sorted. */
export interface ShopOutputs {
  readonly sold: Readonly<Record<string, Sold>>
  readonly balance: Readonly<Record<string, string>>
  /** Every count of a customer and window, in the order in which they came. */
  readonly busy: Readonly<Record<string, readonly number[]>>
  readonly settled: readonly string[]
  readonly sent: readonly string[]
}

/** What the definitions of the operators make of the inputs, without any state: for a table of customers that no longer changes. */
export function expectedOutputs({ customers, orders, payments }: ShopInputs): ShopOutputs {
  const made = orders.flatMap(({ value, ...entry }) => (value ? [{ ...entry, value }] : []))
  const latestOrders = lastValues(orders)
  const cities = lastValues(customers)
  return {
    sold: soldOf(made, latestOrders),
    balance: balanceOf(latestOrders, payments),
    busy: busyOf(made),
    settled: settledOf(made, payments),
    sent: made
      .flatMap(({ value: { number, customer } }) => {
        const row = cities.get(customer)
        return row ? [`${number} ${row.city}`] : []
      })
      .sort(),
  }
}

/** The rows of a table by what changed it, in order. */
export function lastValues<V>(entries: readonly Pick<Entry<string, V>, 'key' | 'value'>[]): Map<string, V> {
  const rows = new Map<string, V>()
  for (const { key, value } of entries) {
    if (value === null) rows.delete(key)
    else rows.set(key, value)
  }
  return rows
}

type Made = Entry<string, Order> & { readonly value: Order }

/** Of every product that was ever ordered: what was cancelled leaves 0 behind. */
function soldOf(made: readonly Made[], latestOrders: ReadonlyMap<string, Order>): Record<string, Sold> {
  const products = new Set(made.map(({ value }) => value.product))
  return Object.fromEntries(
    [...products].map((product) => {
      const own = [...latestOrders.values()].filter((order) => order.product === product)
      return [product, { orders: own.length, pieces: own.reduce((sum, { pieces }) => sum + pieces, 0) }]
    }),
  )
}

function balanceOf(
  latestOrders: ReadonlyMap<string, Order>,
  payments: readonly Entry<string, Payment>[],
): Record<string, string> {
  const paid = new Map<string, number>()
  for (const { key, value } of payments) paid.set(key, (paid.get(key) ?? 0) + (value?.amount ?? 0))
  const keys = new Set([...latestOrders.keys(), ...paid.keys()])
  return Object.fromEntries(
    [...keys].map((key) => [key, `${latestOrders.get(key)?.number ?? '-'} ${paid.get(key) ?? '-'}`]),
  )
}

function busyOf(made: readonly Made[]): Record<string, number[]> {
  const counts: Record<string, number[]> = {}
  for (const { value, timestamp } of made) {
    const name = `${value.customer} ${timestamp - (timestamp % busyWindow.sizeMs)}`
    const own = counts[name] ?? []
    own.push(own.length + 1)
    counts[name] = own
  }
  return counts
}

/** Each order with each payment within its window; those without any once their time is over in their partition. */
function settledOf(made: readonly Made[], payments: readonly Entry<string, Payment>[]): string[] {
  const { beforeMs, afterMs, graceMs } = payWithin
  const byKey = Map.groupBy(payments, ({ key }) => key)
  const ends = new Map<number, number>()
  for (const { partition, timestamp } of [...made, ...payments])
    ends.set(partition, Math.max(ends.get(partition) ?? 0, timestamp))
  return made
    .flatMap(({ partition, key, value: { number }, timestamp }) => {
      const own = (byKey.get(key) ?? []).filter(
        (payment) => payment.timestamp >= timestamp - beforeMs && payment.timestamp <= timestamp + afterMs,
      )
      if (own.length > 0) return own.map((payment) => `${number} ${payment.value?.number}`)
      return timestamp + afterMs + graceMs < (ends.get(partition) ?? 0) ? [`${number} -`] : []
    })
    .sort()
}
