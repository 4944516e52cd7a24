import type { Serde } from '../../../serde.ts'
import type { KeyValueStore, Timestamped } from '../../../state/store.ts'
import type { ProcessorSupplier, StreamInput } from '../../../topology/processor.ts'
import type { Change, StoreAccess } from '../../../topology/table.ts'
import { type ForeignKeyJoin, responseTopic, subscriptionStore } from './foreign-key-join.ts'
import { type Answer, answersWith, type Reference, type Subscriber, type Subscription } from './messages.ts'

/** Keeps who refers to which row, and answers who wants to hear of it at once. */
export function keepSubscriptions<K, L, F, R, VOut>(
  join: ForeignKeyJoin<K, L, F, R, VOut>,
): ProcessorSupplier<F | null, Subscription, K, Answer<R>> {
  const { name, left, right } = join
  const store = subscriptionStore(join)
  return {
    name: `${name}-subscriptions`,
    operator: 'keepSubscriptions',
    changesKey: true,
    stores: [store, ...right.stores],
    create: () => ({
      process({ key, value: subscription, timestamp, headers }, context) {
        if (!subscription) return
        // Who refers to nothing is remembered nowhere.
        if (key !== null) keep(subscription, right.rows.key.serialize(key), subscribersIn(store.name, context))
        const row = key === null ? undefined : right.get(key, context)
        if (subscription.answer === 'never') return
        context.forward({
          key: left.rows.key.deserialize(subscription.subscriber.key),
          value: answerTo(subscription, row),
          timestamp: laterOf(timestamp, row),
          headers,
        })
      },
    }),
  }
}

function keep({ kind, subscriber }: Subscription, foreignKey: Uint8Array, kept: Subscribers): void {
  const { key, partition, hash } = subscriber
  if (kind === 'subscribe') kept.put({ foreignKey, key }, { partition, hash })
  else kept.delete({ foreignKey, key })
}

function laterOf(timestamp: number, row: Timestamped<unknown> | undefined): number {
  return row ? Math.max(timestamp, row.timestamp) : timestamp
}

function answerTo<R>({ kind, answer, subscriber }: Subscription, found: Timestamped<R> | undefined): Answer<R> {
  const { partition, hash } = subscriber
  const row = found && kind === 'subscribe' ? found.value : null
  return { partition, hash, row, quiet: row === null && answer === 'quiet' }
}

/**
 * Tells all who refer to a row that it has changed. It stands at the gate, because a look at all of them waits for the disk; changes of one
 * row wait for each other. Subscriptions do not: see docs/design/0014-global-tables-and-foreign-keys.md.
 */
export function tellSubscribers<K, L, F, R, VOut>(
  join: ForeignKeyJoin<K, L, F, R, VOut>,
): ProcessorSupplier<F, Change<R>, K, Answer<R>> {
  const { name, left, right } = join
  const store = subscriptionStore(join)
  const keys = left.rows.key
  return {
    name: `${name}-rows`,
    operator: 'tellSubscribers',
    order: 'key',
    changesKey: true,
    stores: [store.name],
    create: () => ({
      async process(record, context) {
        const { value: change, timestamp, headers } = record
        if (change?.outOfOrder) context.drop('late')
        if (!change || change.outOfOrder) return
        const row = change.newValue
        const all = { foreignKey: right.rows.key.serialize(record.key), key: new Uint8Array() }
        for await (const [{ key }, { partition, hash }] of subscribersIn(store.name, context).prefix(all)) {
          const value = { partition, hash, row, quiet: false }
          context.forward({ key: keys.deserialize(key), value, timestamp, headers })
        }
      },
    }),
  }
}

/** Sends the answers of both to the partitions of those who asked. */
export function sendAnswers<K, L, F, R, VOut>(
  { name, left, rightValue }: ForeignKeyJoin<K, L, F, R, VOut>,
  inputs: readonly StreamInput[],
): ProcessorSupplier<K, Answer<R>, K, Answer<R>> {
  return {
    name: `${name}-answers`,
    operator: 'sendAnswers',
    inputs,
    repartition: {
      topic: responseTopic(name),
      key: left.rows.key as Serde<unknown>,
      value: answersWith(rightValue) as Serde<unknown>,
      partition: ({ value }) => (value as Answer<R> | null)?.partition,
    },
    create: () => ({ process: (record, context) => context.forward(record) }),
  }
}

type Subscribers = KeyValueStore<Reference, Omit<Subscriber, 'key'>>

function subscribersIn(store: string, context: StoreAccess): Subscribers {
  return context.store(store)
}
