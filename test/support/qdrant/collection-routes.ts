/** Routes that manage collections, aliases and snapshots. */
import type { Collection } from './collection.ts'
import { createCollection, createProblems, updateCollection, updateCollectionProblems } from './collection-shape.ts'
import { collectionName, collectionOf, type Exchange, type Reply, readBody, requireWrite } from './exchange.ts'
import { snapshotWait, waitTimeout } from './params.ts'
import { changeAliases } from './schema-shape.ts'
import type { Answer } from './write-json.ts'

type Handler = (exchange: Exchange) => Reply

export const listCollections: Handler = ({ database }) => ({
  result: { collections: [...database.collections.keys()].map((name) => ({ name })) },
})

export const getCollection: Handler = (exchange) => ({ result: describe(collectionOf(exchange)) })

function describe(collection: Collection): Answer {
  return {
    status: 'green',
    optimizer_status: 'ok',
    indexed_vectors_count: 0,
    points_count: collection.size,
    segments_count: 2 * collection.config.shards,
    config: collection.config.show(),
    payload_schema: new Map(
      [...collection.indexes].map(([name, { schema, size }]) => [
        name,
        { data_type: schema.type, params: schema.params, points: size },
      ]),
    ),
    update_queue: { length: 0 },
  }
}

export const collectionExists: Handler = (exchange) => ({
  result: { exists: exchange.database.find(collectionName(exchange)) !== undefined },
})

export const putCollection: Handler = (exchange) => {
  const name = collectionName(exchange, true)
  waitTimeout(exchange.params)
  const request = readBody(exchange, createCollection, createProblems)
  requireWrite(exchange)
  exchange.database.create(name, request)
  return { result: true }
}

export const patchCollection: Handler = (exchange) => {
  collectionName(exchange)
  waitTimeout(exchange.params)
  const request = readBody(exchange, updateCollection, updateCollectionProblems)
  requireWrite(exchange)
  const collection = collectionOf(exchange)
  collection.config.update(request)
  if (request.strict_mode_config) collection.resetLimits()
  return { result: true }
}

export const dropCollection: Handler = (exchange) => {
  const name = collectionName(exchange)
  waitTimeout(exchange.params)
  requireWrite(exchange)
  return { result: exchange.database.drop(name) }
}

export const postAliases: Handler = (exchange) => {
  waitTimeout(exchange.params)
  const { actions } = readBody(exchange, changeAliases)
  requireWrite(exchange)
  for (const action of actions) exchange.database.changeAlias(action)
  return { result: true }
}

export const listAliases: Handler = ({ database }) => ({ result: { aliases: database.aliases() } })

export const listCollectionAliases: Handler = (exchange) => ({
  result: { aliases: exchange.database.aliases(collectionName(exchange)) },
})

export const collectionCluster: Handler = (exchange) => {
  const { size } = collectionOf(exchange)
  return {
    result: {
      peer_id: exchange.database.peerId,
      shard_count: 1,
      local_shards: [{ shard_id: 0, points_count: size, state: 'Active' }],
      remote_shards: [],
      shard_transfers: [],
    },
  }
}

export const collectionOptimizations: Handler = (exchange) => {
  collectionOf(exchange)
  const summary = { queued_optimizations: 0, queued_segments: 0, queued_points: 0, idle_segments: 2 }
  return { result: { summary, running: [] } }
}

/** Snapshots of a collection; the empty owner has those of the whole server. */
const ownerOf = (exchange: Exchange, isFull: boolean) => (isFull ? '' : collectionOf(exchange).name)

export const listSnapshots =
  (isFull: boolean): Handler =>
  (exchange) => ({
    result: exchange.database.snapshots(ownerOf(exchange, isFull)).map((snapshot) => ({ ...snapshot })),
  })

export const takeSnapshot =
  (isFull: boolean): Handler =>
  (exchange) => {
    const wait = snapshotWait(exchange.params)
    requireWrite(exchange)
    const snapshot = exchange.database.takeSnapshot(ownerOf(exchange, isFull))
    return wait ? { result: { ...snapshot } } : { status: 202 }
  }

export const dropSnapshot =
  (isFull: boolean): Handler =>
  (exchange) => {
    const wait = snapshotWait(exchange.params)
    requireWrite(exchange)
    exchange.database.dropSnapshot(ownerOf(exchange, isFull), exchange.path.snapshot ?? '')
    return wait ? { result: true } : { status: 202 }
  }
