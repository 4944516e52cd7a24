import { packed, packOptional, unpackOptional } from '../../../packed-serde.ts'
import type { Serde } from '../../../serde.ts'

/** What a row of the left table tells the task that has the row it refers to. */
export interface Subscription {
  readonly kind: 'subscribe' | 'unsubscribe'
  /** Whether it wants to hear of the row at once. `quiet`: that there is none is news only for who has joined one. */
  readonly answer: 'always' | 'quiet' | 'never'
  readonly subscriber: Subscriber
}

/** A row of the left table as the other side knows it. */
export interface Subscriber {
  /** As the left table writes it. */
  readonly key: Uint8Array
  /** Of its task: the answer goes there. */
  readonly partition: number
  /** Of its value; null: the row is gone. An answer with another one is stale. */
  readonly hash: Uint8Array | null
}

/** What a row of the left table hears of the row that it refers to. */
export interface Answer<R> {
  readonly partition: number
  /** Of the left value that asked. */
  readonly hash: Uint8Array | null
  /** Null: there is no such row, or it is not referred to any more. */
  readonly row: R | null
  /** Most likely nothing changes by it: then nobody is to hear of it. */
  readonly quiet: boolean
}

/** Who refers to which row: all subscribers of a row lie together. Where they begin, the key is empty. */
export interface Reference {
  readonly foreignKey: Uint8Array
  readonly key: Uint8Array
}

const kinds = ['subscribe', 'unsubscribe'] as const
const answers = ['always', 'quiet', 'never'] as const

type Packed = readonly [kind: number, answer: number, key: Uint8Array, partition: number, hash: Uint8Array | null]

/** In the registration topic. */
export const subscriptions: Serde<Subscription> = packed<Subscription, Packed>(
  'subscription',
  ({ kind, answer, subscriber: { key, partition, hash } }) => [
    kinds.indexOf(kind),
    answers.indexOf(answer),
    key,
    partition,
    hash,
  ],
  ([kind, answer, key, partition, hash]) => ({
    kind: kinds[kind] ?? 'subscribe',
    answer: answers[answer] ?? 'always',
    subscriber: { key, partition, hash },
  }),
)

/** In the store of subscriptions; the key of the row is in that of the store. */
export const subscribed: Serde<Omit<Subscriber, 'key'>> = packed(
  'subscriber',
  ({ partition, hash }): readonly [number, Uint8Array | null] => [partition, hash],
  ([partition, hash]) => ({ partition, hash }),
)

/** In the response topic. */
export function answersWith<R>(rows: Serde<R>): Serde<Answer<R>> {
  return packed(
    `answer(${rows.name})`,
    ({ partition, hash, row, quiet }): readonly [number, Uint8Array | null, Uint8Array | null, boolean] => [
      partition,
      hash,
      packOptional(row, rows),
      quiet,
    ],
    ([partition, hash, row, quiet]) => ({
      partition,
      hash,
      row: unpackOptional(row, rows),
      quiet,
    }),
  )
}

const lengthBytes = 4

/** The layout of Kafka Streams: length of the foreign key, foreign key, key. */
export const references: Serde<Reference> = {
  name: 'reference',
  serialize: ({ foreignKey, key }) => {
    const length = Buffer.alloc(lengthBytes)
    length.writeInt32BE(foreignKey.length)
    return Buffer.concat([length, foreignKey, key])
  },
  deserialize: (bytes) => {
    const keyAt = lengthBytes + Buffer.from(bytes.buffer, bytes.byteOffset, lengthBytes).readInt32BE()
    return { foreignKey: bytes.subarray(lengthBytes, keyAt), key: bytes.subarray(keyAt) }
  },
}
