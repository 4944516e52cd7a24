/** Applies changes to the points of a collection. */
import { ApiError } from './api-error.ts'
import type { Collection, Point } from './collection.ts'
import { estimatedCount } from './estimate.ts'
import { emptyFilter } from './filter-shape.ts'
import type { PointId } from './ids.ts'
import { cloneJson, type JsonObject } from './json.ts'
import { mergeInto, removeAt, setAt } from './json-path.ts'
import type { UpdateParams } from './params.ts'
import { refuseShardsOfChange } from './shard-key.ts'
import type { LooseSelection, PointStruct, Selection, Update, UpdateVectors, Upsert } from './update-shape.ts'
import type { Vector } from './vector-shape.ts'
import { checkDimensions, checkVector, type StoredVector, store, unknownVector } from './vectors.ts'

export interface UpdateResult {
  readonly operation_id: number
  readonly status: 'completed' | 'acknowledged' | 'wait_timeout'
}

/** Refused before the operation gets a number, whether the client waits or not. */
function checkAcceptable(collection: Collection, change: Update): void {
  checkInference(change)
  if (change.kind === 'upsert') for (const { vector } of change.points) checkDimensions(collection.schema, vector)
  if (change.kind === 'delete-vectors' && !change.points && !change.filter) {
    throw ApiError.badRequest('No filter or points provided')
  }
  if (idsOf(change)?.length === 0) throw ApiError.badRequest('Empty update request')
}

/** There is no model that could make vectors of texts. */
function checkInference(change: Update): void {
  if (change.kind !== 'upsert' && change.kind !== 'update-vectors') return
  for (const { vector } of change.points) {
    for (const candidate of vector.vectors.values()) {
      if (candidate.kind !== 'inference') continue
      if (change.kind === 'upsert' || vector.isNamed) throw ApiError.inference()
      throw new ApiError(
        400,
        `Direct ${candidate.source} processing not supported for PointVectors. Use named vectors.`,
      )
    }
  }
}

/** Ids that a change names; undefined when a filter selects. */
function idsOf(change: Update): readonly PointId[] | undefined {
  if (change.kind === 'upsert' || change.kind === 'update-vectors') return change.points.map(({ id }) => id)
  if ('selection' in change) return 'points' in change.selection ? change.selection.points : undefined
  return change.points
}

/** Does one change. What goes wrong while it is applied is hidden from those who do not wait for it. */
export function applyUpdate(collection: Collection, change: Update, params: UpdateParams): UpdateResult {
  const { wait } = params
  refuseShardsOfChange('selection' in change ? change.selection.shard_key : change.shard_key)
  checkAcceptable(collection, change)
  if (change.kind === 'delete-vectors' && change.points && change.filter) {
    applyUpdate(collection, { ...change, points: undefined }, params)
  }
  collection.spendWrite(costOf(collection, change))
  const operation = collection.nextOperation()
  try {
    run(collection, change, operation)
  } catch (error) {
    if (wait || !(error instanceof ApiError)) throw error
  }
  return { operation_id: operation, status: wait ? 'completed' : 'acknowledged' }
}

function costOf(collection: Collection, change: Update): number {
  const ids = idsOf(change)
  if (ids) return Math.max(1, ids.length)
  const filter = 'selection' in change && 'filter' in change.selection ? change.selection.filter : undefined
  return Math.max(1, estimatedCount(collection, filter ?? ('filter' in change ? change.filter : undefined)))
}

function run(collection: Collection, change: Update, operation: number): void {
  switch (change.kind) {
    case 'upsert':
      upsert(collection, change, operation)
      break
    case 'delete':
      for (const id of selectedIds(collection, change.selection)) collection.delete(id)
      break
    case 'update-vectors':
      updateVectors(collection, change, operation)
      break
    case 'delete-vectors':
      deleteVectors(collection, change, operation)
      break
    case 'clear-payload':
      changePoints(collection, selectedIds(collection, change.selection), (point) => {
        setPayload(collection, point, { payload: new Map(), operation })
      })
      break
    default:
      changePoints(collection, loosePoints(collection, change), (point) => {
        setPayload(collection, point, { payload: changedPayload(point.payload, change), operation })
      })
  }
}

type PayloadUpdate = Extract<Update, { kind: 'set-payload' | 'overwrite-payload' | 'delete-payload' }>

function changedPayload(current: JsonObject, change: PayloadUpdate): JsonObject {
  if (change.kind === 'overwrite-payload') return cloneObject(change.payload)
  if (change.kind === 'delete-payload') for (const key of change.keys) removeAt(current, key)
  else if (change.key) setAt(current, change.key, change.payload)
  else mergeInto(current, change.payload)
  return current
}

const cloneObject = (object: JsonObject): JsonObject =>
  new Map([...object].map(([key, value]) => [key, cloneJson(value)]))

function setPayload(collection: Collection, point: Point, change: { payload: JsonObject; operation: number }): void {
  point.payload = change.payload
  point.version = change.operation
  collection.reindex(point)
}

const selectedIds = (collection: Collection, selection: Selection): readonly PointId[] =>
  'points' in selection ? selection.points : collection.select(selection.filter).map(({ id }) => id)

/** Ids win over a filter. */
const loosePoints = (collection: Collection, { points, filter }: LooseSelection): readonly PointId[] =>
  points ?? collection.select(filter).map(({ id }) => id)

const chunkSize = 32

/** Works in chunks: of a chunk with a missing point the others are still changed, later chunks are not. */
function changePoints(collection: Collection, ids: readonly PointId[], change: (point: Point) => void): void {
  for (let start = 0; start < ids.length; start += chunkSize) {
    const chunk = ids.slice(start, start + chunkSize)
    for (const id of chunk) {
      const point = collection.get(id)
      if (point) change(point)
    }
    const missing = chunk.find((id) => !collection.get(id))
    if (missing !== undefined) throw ApiError.noPoint(missing)
  }
}

function upsert(
  collection: Collection,
  { points, update_filter, update_mode = 'upsert' }: Upsert,
  operation: number,
): void {
  const isConditional = update_filter !== undefined || update_mode !== 'upsert'
  const ids = points.map(({ id }) => id)
  const excluded = isConditional ? collection.excludedBy(update_filter ?? emptyFilter, ids) : new Set<PointId>()
  const isKept = ({ id }: PointStruct) => {
    const exists = collection.get(id) !== undefined
    if (update_mode === 'insert_only') return !exists
    return !excluded.has(id) && (exists || update_mode === 'upsert')
  }
  // Of points with the same id the last one counts.
  const last = new Map(points.filter(isKept).map((point) => [point.id, point]))
  for (const point of last.values()) putPoint(collection, point, operation)
}

function putPoint(collection: Collection, { id, vector, payload }: PointStruct, operation: number): void {
  const vectors = new Map<string, StoredVector>()
  for (const [name, candidate] of vector.vectors) {
    checkVector(collection.schema, name, candidate)
    vectors.set(name, store(collection.schema, name, candidate))
  }
  collection.put({ id, version: operation, payload: payload ? cloneObject(payload) : new Map(), vectors })
}

function updateVectors(collection: Collection, { points, update_filter }: UpdateVectors, operation: number): void {
  const ids = points.map(({ id }) => id)
  const excluded = update_filter ? collection.excludedBy(update_filter, ids) : new Set<PointId>()
  const changes = new Map<PointId, Map<string, Vector>>()
  for (const { id, vector } of points) {
    if (!excluded.has(id)) changes.set(id, new Map([...(changes.get(id) ?? []), ...vector.vectors]))
  }
  changePoints(collection, [...changes.keys()], (point) => {
    const stored: [string, StoredVector][] = []
    for (const [name, candidate] of changes.get(point.id) ?? []) {
      checkVector(collection.schema, name, candidate)
      stored.push([name, store(collection.schema, name, candidate)])
    }
    for (const [name, value] of stored) point.vectors.set(name, value)
    point.version = operation
  })
}

type VectorsDeletion = Extract<Update, { kind: 'delete-vectors' }>

function deleteVectors(collection: Collection, change: VectorsDeletion, operation: number): void {
  changePoints(collection, loosePoints(collection, change), (point) => {
    for (const name of change.vector) {
      if (!collection.config.hasVector(name)) throw unknownVector(name)
      point.vectors.delete(name)
    }
    point.version = operation
  })
}
