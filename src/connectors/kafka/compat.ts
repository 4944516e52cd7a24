import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { StreamError } from '../../errors.ts'
import { withoutAborted } from './aborted.ts'
import type { BrokerPool, Connection, ConsumerGroup, RequestQueue } from './internals.ts'
import { groupedByPartition } from './message-groups.ts'
import { tellingStableEnd } from './polls.ts'
import { encodingHeaderLists, endingAtLastOffset, keepingHeaderOrder } from './record-format.ts'

/** What `require('kafkajs')` gives. */
export type KafkaJs = typeof import('kafkajs')

/**
 * Called in the place of every join and rejoin, while the generation that ends is still valid; `join` is what KafkaJS would have done. An
 * error ends the consumer.
 */
export type JoinGate = (group: ConsumerGroup, join: () => Promise<void>) => Promise<void>

/** The key under which an assigner holds its {@link JoinGate}: it is the one object of ours that KafkaJS keeps for each consumer. */
export const joinGate = Symbol('millrace.joinGate')

const supportedVersion = '2.2.4'
const patched = Symbol.for('millrace.kafkajs.patched')
const require = createRequire(import.meta.url)
const groupFile = 'src/consumer/consumerGroup.js'

/**
 * KafkaJS with the corrections that Millrace relies on:
 *
 * 1. read_committed: records of aborted transactions are never delivered (as shipped, some are).
 * 2. Compacted topics: a batch that has lost its last records moves the position past them (as shipped, a consumer can stop there for
 *    good, asking for the same offset without a pause).
 * 3. Headers keep their order, repeated keys and null values.
 * 4. Idle connections run no timer.
 * 5. Gate: a hook stands before every join, whatever caused it, and joins are made one at a time.
 * 6. Out of range: the consumer ends with the error; as shipped it commits an offset of its own choice.
 * 7. zstd, from node:zlib.
 * 8. Two who ask for a connection at once share it (as shipped, one of the two sockets is left open and forgotten).
 * 9. A producer groups the messages of a batch in one go (as shipped, it copies the list of a partition for each of them).
 * 10. A batch says where committed records end (as shipped, only where all records do).
 *
 * They are made once in a process, in the modules that all its users of KafkaJS share; 5 and 6, which change what a consumer does, apply
 * only to consumers with a {@link JoinGate}. Throws CLIENT_VERSION when KafkaJS is not exactly what they were written for.
 */
export function loadKafkaJs(): KafkaJs {
  const { version } = require('kafkajs/package.json') as { version: string }
  if (version !== supportedVersion)
    throw new StreamError('CLIENT_VERSION', `kafkajs is ${version}, and Millrace needs ${supportedVersion}`)
  if (require.cache[pathOf(groupFile)]) requireEarlierPatches()
  else patchKafkaJs()
  return require('kafkajs')
}

function requireEarlierPatches(): void {
  if (patched in load<object>(groupFile)) return
  throw new StreamError('CLIENT_VERSION', 'kafkajs was loaded before Millrace could correct it', {
    fix: 'Import Millrace before kafkajs.',
  })
}

function patchKafkaJs(): void {
  // The modules first that others take a copy of when they are loaded.
  replace('src/consumer/filterAbortedMessages.js', 'remainingAbortedTransactions.shift()', () => withoutAborted)
  replace('src/protocol/recordBatch/record/v0/decoder.js', 'readVarIntArray(HeaderDecoder)', keepingHeaderOrder)
  replace('src/protocol/recordBatch/record/v0/index.js', 'sizeOfHeaders(headersArray)', encodingHeaderLists)
  replace('src/protocol/recordBatch/v0/decoder.js', 'decodeRecords(codec, decoder,', endingAtLastOffset)
  replace('src/consumer/batch.js', 'partitionData.highWatermark', tellingStableEnd)
  replace('src/producer/groupMessagesPerPartition.js', '[...current, message]', () => groupedByPartition)

  const { prototype: queue } = load<{ prototype: RequestQueue }>('src/network/requestQueue/index.js')
  patch(queue, 'scheduleCheckPendingRequests', 'CHECK_PENDING_REQUESTS_INTERVAL', (schedule) => {
    return function (this: RequestQueue) {
      if (this.pending.length > 0) schedule.call(this)
    }
  })

  const { prototype: pool } = load<{ prototype: BrokerPool }>('src/cluster/brokerPool.js')
  expectSource(pool.createSeedBroker, 'connectionPoolBuilder.build()', 'BrokerPool.createSeedBroker')
  expectSource(pool.withBroker, 'return null', 'BrokerPool.withBroker')

  patchConnection(load<{ prototype: Connection }>('src/network/connection.js').prototype)
  const group = load<{ prototype: ConsumerGroup }>(groupFile)
  patchGroup(group.prototype)
  Object.defineProperty(group, patched, { value: true })

  const { CompressionCodecs, CompressionTypes } = load<KafkaJs>('index.js')
  CompressionCodecs[CompressionTypes.ZSTD] = () => zstd
}

function patchConnection(prototype: Connection): void {
  const connecting = new WeakMap<Connection, Promise<boolean>>()
  patch(prototype, 'connect', 'this.socket = createSocket', (connect) => {
    return function (this: Connection) {
      const running = connecting.get(this)
      if (running) return running
      const begun = connect.call(this).finally(() => {
        if (connecting.get(this) === begun) connecting.delete(this)
      })
      connecting.set(this, begun)
      return begun
    }
  })
  // A connection that is closed while it is made is never made, and nobody is told.
  patch(prototype, 'disconnect', 'this.socket.end()', (disconnect) => {
    return function (this: Connection) {
      connecting.delete(this)
      return disconnect.call(this)
    }
  })
}

function patchGroup(prototype: ConsumerGroup): void {
  const joins = new WeakMap<ConsumerGroup, Promise<void>>()
  patch(prototype, 'joinAndSync', 'this[PRIVATE.JOIN]()', (join) => {
    return function (this: ConsumerGroup) {
      const gate = gateOf(this)
      if (!gate) return join.call(this)
      const running = joins.get(this)
      if (running) return running
      const joining = gate(this, () => join.call(this)).finally(() => joins.delete(this))
      joins.set(this, joining)
      return joining
    }
  })
  patch(prototype, 'recoverFromOffsetOutOfRange', 'setDefaultOffset', (recover) => {
    return async function (this: ConsumerGroup, error: Error) {
      if (gateOf(this)) throw error
      await recover.call(this, error)
    }
  })
}

function gateOf(group: ConsumerGroup): JoinGate | undefined {
  for (const assigner of group.assigners) if (hasGate(assigner)) return assigner[joinGate]
  return undefined
}

function hasGate(assigner: object): assigner is { [joinGate]: JoinGate } {
  return joinGate in assigner
}

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

const zstd = {
  compress: (encoder: { readonly buffer: Buffer }) => compress(encoder.buffer),
  decompress: (bytes: Buffer) => decompress(bytes),
}

function pathOf(file: string): string {
  return join(dirname(require.resolve('kafkajs/package.json')), file)
}

function load<Exports>(file: string): Exports {
  return require(pathOf(file))
}

/** Puts `correct(original)` in the place of what a module exports. */
function replace<Original>(file: string, phrase: string, correct: (original: Original) => Original): void {
  const original = load<Original>(file)
  const module = require.cache[pathOf(file)]
  expectSource(original, phrase, file)
  if (module) module.exports = correct(original)
}

/** Puts `correct(original)` in the place of a method. */
function patch<Prototype, Name extends keyof Prototype>(
  prototype: Prototype,
  name: Name,
  phrase: string,
  correct: (original: Prototype[Name]) => Prototype[Name],
): void {
  expectSource(prototype[name], phrase, String(name))
  prototype[name] = correct(prototype[name])
}

/** A phrase of the source proves that a member is the one that its correction was written for, also where a fork keeps the version. */
function expectSource(member: unknown, phrase: string, name: string): void {
  if (typeof member === 'function' && String(member).includes(phrase)) return
  throw new StreamError('CLIENT_VERSION', `${name} of kafkajs ${supportedVersion} is not the published one`)
}
