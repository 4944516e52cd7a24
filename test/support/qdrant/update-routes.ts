/** Routes that change points and indexes. */
import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import { vectorNameConfig, vectorNameProblems } from './collection-shape.ts'
import { badVectorName } from './database.ts'
import { collectionName, collectionOf, type Exchange, type Reply, readBody, requireWrite } from './exchange.ts'
import type { Faults } from './faults.ts'
import { parsePath, printPath } from './json-path.ts'
import { type UpdateParams, updateParams } from './params.ts'
import { createIndex, indexProblems } from './schema-shape.ts'
import type { Decode } from './serde.ts'
import { checkIndexCount, checkTimeout, checkUpdate } from './strict-mode.ts'
import {
  payloadChange,
  payloadDeletion,
  selection,
  type Update,
  updateProblems,
  updates,
  updatesProblems,
  upsert,
  vectorsDeletion,
  vectorsUpdate,
} from './update-shape.ts'
import { applyUpdate, type UpdateResult } from './updates.ts'
import { describeProblems } from './validation.ts'

type Handler = (exchange: Exchange) => Reply

const single =
  <T>(decode: Decode<T>, make: (value: T) => Update): Handler =>
  (exchange) => {
    collectionName(exchange)
    const params = updateParams(exchange.params)
    const change = readBody(exchange, (node, way) => make(decode(node, way)), updateProblems)
    const collection = collectionOf(exchange)
    checkUpdate(collection, change, params.timeout)
    requireWrite(exchange)
    return { result: { ...applyUpdate(collection, change, params) } }
  }

export const upsertPoints = single(upsert, (change) => change)
export const deletePoints = single(selection, (value) => ({ kind: 'delete', selection: value }))
export const setPayload = single(payloadChange, (change) => ({ kind: 'set-payload', ...change }))
export const overwritePayload = single(payloadChange, (change) => ({ kind: 'overwrite-payload', ...change }))
export const deletePayload = single(payloadDeletion, (change) => ({ kind: 'delete-payload', ...change }))
export const clearPayload = single(selection, (value) => ({ kind: 'clear-payload', selection: value }))
export const updateVectors = single(vectorsUpdate, (change) => ({ kind: 'update-vectors', ...change }))
export const deleteVectors = single(vectorsDeletion, (change) => ({ kind: 'delete-vectors', ...change }))

/** Operations run in order and stop at the first that fails; what was done before stays done. */
export const updateBatch =
  (faults: Faults): Handler =>
  (exchange) => {
    collectionName(exchange)
    const params = updateParams(exchange.params)
    const { operations } = readBody(exchange, updates, (value) => updatesProblems(value.operations))
    if (operations.length === 0) return { result: [] }
    const collection = collectionOf(exchange)
    for (const change of operations) checkUpdate(collection, change, params.timeout)
    requireWrite(exchange)
    return { result: runBatch(collection, operations, { params, faults }).map((result) => ({ ...result })) }
  }

function runBatch(
  collection: Collection,
  operations: readonly Update[],
  { params, faults }: { params: UpdateParams; faults: Faults },
): UpdateResult[] {
  const fault = faults.ofBatch()
  if (fault?.kind === 'partial') {
    for (const change of operations.slice(0, fault.operations)) applyUpdate(collection, change, params)
    throw new ApiError(500, 'Service internal error: injected after a part of the batch')
  }
  if (fault?.kind === 'wait-timeout' || fault?.kind === 'acknowledged') {
    const first = collection.nextOperation(0) + 1
    faults.postpone(() => operations.map((change) => applyUpdate(collection, change, { ...params, wait: false })))
    const status = fault.kind === 'acknowledged' ? 'acknowledged' : 'wait_timeout'
    return operations.map((_, index) => ({ operation_id: first + index, status }))
  }
  return operations.map((change) => applyUpdate(collection, change, params))
}

/** Changes of the schema count as two operations. */
function schemaResult(collection: Collection, wait: boolean): Reply {
  collection.spendWrite(1)
  return { result: { operation_id: collection.nextOperation(2), status: wait ? 'completed' : 'acknowledged' } }
}

export const createFieldIndex: Handler = (exchange) => {
  collectionName(exchange)
  const { wait, timeout } = updateParams(exchange.params)
  const { field_name, field_schema } = readBody(exchange, createIndex, indexProblems)
  const collection = collectionOf(exchange)
  checkIndexCount(collection)
  checkTimeout(collection, timeout)
  if (!field_schema) {
    throw ApiError.badRequest("Can't auto-detect field type, please specify `field_schema` in the request")
  }
  requireWrite(exchange)
  collection.spendWrite(1)
  const result = schemaResult(collection, wait)
  collection.createIndex(field_name, field_schema)
  return result
}

export const deleteFieldIndex: Handler = (exchange) => {
  collectionName(exchange)
  const { field = '' } = exchange.path
  const path = parsePath(field)
  if (!path) throw new ApiError(400, `Deserialize error in path parameters: Invalid json path: '${field}'`)
  const { wait } = updateParams(exchange.params)
  requireWrite(exchange)
  const collection = collectionOf(exchange)
  collection.indexes.delete(printPath(path))
  return schemaResult(collection, wait)
}

function vectorNameOf(exchange: Exchange): string {
  const { vector = '' } = exchange.path
  const bad = badVectorName(vector)
  if (bad) throw new ApiError(422, describeProblems('path parameters', [{ path: 'vector_name', message: bad }]))
  return vector
}

export const createVectorName: Handler = (exchange) => {
  collectionName(exchange)
  const name = vectorNameOf(exchange)
  const { wait, timeout } = updateParams(exchange.params)
  const config = readBody(exchange, vectorNameConfig, vectorNameProblems)
  const collection = collectionOf(exchange)
  checkTimeout(collection, timeout)
  requireWrite(exchange)
  collection.config.addVector(name, config)
  return schemaResult(collection, wait)
}

export const deleteVectorName: Handler = (exchange) => {
  collectionName(exchange)
  const name = vectorNameOf(exchange)
  const { wait } = updateParams(exchange.params)
  requireWrite(exchange)
  const collection = collectionOf(exchange)
  collection.config.removeVector(name)
  for (const point of collection.points()) point.vectors.delete(name)
  return schemaResult(collection, wait)
}
