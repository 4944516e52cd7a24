import { Random } from '../../../chaos/random.ts'
import { partitionFor } from '../../../src/partitioner.ts'
import { noHeaders } from '../../../src/record.ts'
import type { Broker, LogRecord, ProducerRecord } from '../../../src/runtime/broker.ts'
import type { Serde } from '../../../src/serde.ts'
import { partitionsOf } from '../instance-processes.ts'
import { readAll } from '../log-records.ts'
import { type Entry, lastValues, type ShopInputs, type ShopOutputs } from './expected.ts'
import { shopTopics } from './topology.ts'

export const shopPartitions = 2

interface Topic<K, V> {
  readonly topic: string
  readonly key: Serde<K>
  readonly value: Serde<V>
}

type Sent<V> = Partial<Entry<string, V>> & { readonly key: string; readonly value: V | null }

const customers = Array.from({ length: 12 }, (_, index) => `customer ${index}`)
const products = ['flour', 'bran', 'semolina', 'grist']
const orders = 60
const stepMs = 20
/** Beyond all windows and their grace. */
const closingMs = 2 * 3_600_000

/** What happens in a shop, written to its topics by a seed, and read back from them. */
export class Trade {
  readonly #broker: Broker
  readonly #topics: ReturnType<typeof shopTopics>
  readonly #random = new Random(7)
  /** Kafka takes no records from far in the future. */
  readonly #startMs = Date.now() - 2 * closingMs
  #numbers = 0

  constructor(broker: Broker, prefix: string) {
    this.#broker = broker
    this.#topics = shopTopics(prefix)
  }

  async createTopics(): Promise<void> {
    const names = Object.values(this.#topics).map(({ topic }) => topic)
    await this.#broker.createTopics(names.map((topic) => ({ topic, partitions: shopPartitions })))
  }

  /** The table of customers, some of whom move or leave. */
  async settleCustomers(): Promise<void> {
    const rows = customers.map((key, index) =>
      this.#sent(this.#topics.customers, { key, value: { city: `city ${index % 3}` } }),
    )
    const moves = customers
      .slice(0, 4)
      .map((key, index) => this.#sent(this.#topics.customers, { key, value: index === 0 ? null : { city: 'city 9' } }))
    await this.#send([...rows, ...moves])
  }

  /** So many orders, new versions of orders, cancellations and payments. */
  async trade(count: number): Promise<void> {
    await this.#send(Array.from({ length: count }, () => this.#event()))
  }

  /** What ends all windows. */
  async closeWindows(): Promise<void> {
    const timestamp = this.#startMs + closingMs
    const closing = partitionsOf('', shopPartitions).map(({ partition }) => {
      const value = { number: ++this.#numbers, customer: 'nobody', product: 'nothing', pieces: 0 }
      return this.#sent(this.#topics.orders, { key: `closing ${partition}`, value, partition, timestamp })
    })
    await this.#send(closing)
  }

  async inputs(): Promise<ShopInputs> {
    const { customers, orders, payments } = this.#topics
    return {
      customers: await this.#entries(customers),
      orders: await this.#entries(orders),
      payments: await this.#entries(payments),
    }
  }

  async outputs(): Promise<ShopOutputs> {
    const { sold, balance, busy, settled, sent } = this.#topics
    const counts = Map.groupBy(await this.#entries(busy), ({ key }) => `${key.key} ${key.window.startMs}`)
    const values = (entries: readonly Entry<string, string>[]) => entries.map(({ value }) => `${value}`).sort()
    return {
      sold: Object.fromEntries(lastValues(await this.#entries(sold))),
      balance: Object.fromEntries(lastValues(await this.#entries(balance))),
      busy: Object.fromEntries([...counts].map(([name, entries]) => [name, entries.map(({ value }) => value ?? 0)])),
      settled: values(await this.#entries(settled)),
      sent: values(await this.#entries(sent)),
    }
  }

  #event(): ProducerRecord {
    const number = ++this.#numbers
    const key = `order ${this.#random.between(1, orders)}`
    const dice = this.#random.between(0, 9)
    if (dice < 3)
      return this.#sent(this.#topics.payments, { key, value: { number, amount: this.#random.between(1, 9) } })
    if (dice === 3) return this.#sent(this.#topics.orders, { key, value: null })
    const value = {
      number,
      customer: this.#random.pick(customers) ?? '',
      product: this.#random.pick(products) ?? '',
      pieces: this.#random.between(1, 5),
    }
    return this.#sent(this.#topics.orders, { key, value })
  }

  #sent<V>(topic: Topic<string, V>, { key, value, partition, timestamp }: Sent<V>): ProducerRecord {
    const bytes = topic.key.serialize(key)
    return {
      topic: topic.topic,
      partition: partition ?? partitionFor(bytes, shopPartitions),
      key: bytes,
      value: value === null ? null : topic.value.serialize(value),
      timestamp: timestamp ?? this.#startMs + this.#numbers * stepMs,
      headers: noHeaders,
    }
  }

  async #send(records: readonly ProducerRecord[]): Promise<void> {
    const producer = await this.#broker.producer()
    await producer.send(records)
    await producer.close()
  }

  async #entries<K, V>({ topic, key, value }: Topic<K, V>): Promise<Entry<K, V>[]> {
    const decoded = (partition: number, record: LogRecord): Entry<K, V> => ({
      partition,
      key: key.deserialize(record.key ?? new Uint8Array()),
      value: record.value && value.deserialize(record.value),
      timestamp: record.timestamp,
    })
    const read = partitionsOf(topic, shopPartitions).map(async (place) =>
      (await readAll(this.#broker, place)).map((record) => decoded(place.partition, record)),
    )
    return (await Promise.all(read)).flat()
  }
}
