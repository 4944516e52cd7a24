/** Requests that change points. */

import { type Filter, filter, filterProblems } from './filter-shape.ts'
import { type PointId, pointId } from './ids.ts'
import type { JsonObject } from './json.ts'
import { type JsonPath, jsonPath } from './json-path.ts'
import {
  custom,
  type Decode,
  jsonObject,
  list,
  maybe,
  noVariant,
  option,
  optional,
  required,
  string,
  struct,
  through,
  untagged,
  variants,
} from './serde.ts'
import { type ShardKeys, shardKeys } from './shard-key.ts'
import { nested, type Problem, problemsOfList, problemsOfValues } from './validation.ts'
import {
  type BatchVectors,
  batchVectors,
  isEmptyVectorStruct,
  type Vector,
  type VectorStruct,
  vectorProblems,
  vectorStruct,
  vectorStructProblems,
} from './vector-shape.ts'

export interface PointStruct {
  readonly id: PointId
  readonly vector: VectorStruct
  readonly payload: JsonObject | undefined
}

export type UpdateMode = 'upsert' | 'insert_only' | 'update_only'

export interface Upsert {
  readonly kind: 'upsert'
  readonly points: readonly PointStruct[]
  readonly problems: readonly Problem[]
  readonly update_filter: Filter | undefined
  readonly update_mode: UpdateMode | undefined
  readonly shard_key: ShardKeys | undefined
}

export type Selection = ({ readonly points: readonly PointId[] } | { readonly filter: Filter }) & {
  readonly shard_key: ShardKeys | undefined
}

/** Both may be given; one of them is. */
export interface LooseSelection {
  readonly points: readonly PointId[] | undefined
  readonly filter: Filter | undefined
  readonly shard_key: ShardKeys | undefined
}

export interface PayloadChange extends LooseSelection {
  readonly payload: JsonObject
  readonly key: JsonPath | undefined
}

export interface PointVectors {
  readonly id: PointId
  readonly vector: VectorStruct
}

export type Update =
  | Upsert
  | { readonly kind: 'delete'; readonly selection: Selection }
  | ({ readonly kind: 'set-payload' } & PayloadChange)
  | ({ readonly kind: 'overwrite-payload' } & PayloadChange)
  | ({ readonly kind: 'delete-payload'; readonly keys: readonly JsonPath[] } & LooseSelection)
  | { readonly kind: 'clear-payload'; readonly selection: Selection }
  | UpdateVectors
  | ({ readonly kind: 'delete-vectors'; readonly vector: readonly string[] } & LooseSelection)

export interface UpdateVectors {
  readonly kind: 'update-vectors'
  readonly points: readonly PointVectors[]
  readonly update_filter: Filter | undefined
  readonly shard_key: ShardKeys | undefined
}

const updateMode = variants('upsert', 'insert_only', 'update_only')

const conditional = {
  shard_key: shardKeys,
  update_filter: optional(option(filter), () => undefined),
  update_mode: optional(option(updateMode), () => undefined),
}

const pointStruct = struct<PointStruct>('PointStruct', {
  id: required(pointId),
  vector: required(vectorStruct, ['vectors']),
  payload: maybe(jsonObject),
})

const pointsList = struct('PointsList', { points: required(list(pointStruct)), ...conditional })

interface Batch {
  readonly ids: readonly PointId[]
  readonly vectors: BatchVectors
  readonly payloads: readonly (JsonObject | undefined)[] | undefined
}

const batch = struct<Batch>('Batch', {
  ids: required(list(pointId)),
  vectors: required(batchVectors),
  payloads: maybe(list(option(jsonObject))),
})

const pointsBatch = struct('PointsBatch', { batch: required(batch), ...conditional })

/** Whether a body is a batch or a list is told by its keys. */
export const upsert: Decode<Upsert> = (node) => {
  const keys = node.kind === 'object' ? node.entries.map(({ key }) => key) : []
  if (keys.includes('batch')) return fromBatch(through('value', pointsBatch)(node, 'value'))
  if (!keys.includes('points')) throw custom('Invalid PointInsertOperations format')
  const { points, ...rest } = through('value', pointsList)(node, 'value')
  const problems = problemsOfList('points', points, (point) => nested('vector', vectorStructProblems(point.vector)))
  return { kind: 'upsert', points, problems, ...rest }
}

interface BatchRequest extends Omit<Upsert, 'kind' | 'points' | 'problems'> {
  readonly batch: Batch
}

function fromBatch({ batch: columns, ...rest }: BatchRequest): Upsert {
  const { ids, vectors, payloads } = columns
  const points = ids.map((id, index) => ({ id, vector: rowOf(vectors, index), payload: payloads?.[index] }))
  return { kind: 'upsert', points, problems: nested('batch', batchProblems(columns)), ...rest }
}

function rowOf({ isNamed, vectors }: BatchVectors, index: number): VectorStruct {
  const row = [...vectors].flatMap(([name, column]): [string, Vector][] => {
    const vector = column[index]
    return vector ? [[name, vector]] : []
  })
  return { isNamed, vectors: new Map(row) }
}

function batchProblems({ ids, vectors, payloads }: Batch): Problem[] {
  const all = [...vectors.vectors.values()]
  const bad = vectors.isNamed
    ? problemsOfValues(all.flat(), vectorProblems)
    : (all
        .flat()
        .map(vectorProblems)
        .find((problems) => problems.length > 0) ?? [])
  if (bad.length > 0) return bad
  const uneven = all.find((column) => column.length !== ids.length && column[0]?.kind !== 'inference')
  if (uneven) return [unequal('vectors', ids.length, uneven.length)]
  return payloads && payloads.length !== ids.length ? [unequal('payloads', ids.length, payloads.length)] : []
}

const unequal = (what: string, ids: number, others: number): Problem => ({
  path: 'batch',
  message: `number of ids and ${what} must be equal (${ids} != ${others})`,
})

export const selection = untagged<Selection>(
  noVariant('PointsSelector'),
  struct('PointIdsList', { points: required(list(pointId)), shard_key: shardKeys }),
  struct('FilterSelector', { filter: required(filter), shard_key: shardKeys }),
)

/** Ids or a filter must be there; which is only known once the whole struct was read. */
function selecting<T extends LooseSelection>(decode: Decode<T>): Decode<T> {
  return (node, way) => {
    const change = decode(node, way)
    if (change.points || change.filter) return change
    throw custom('Either list of point ids or filter must be provided')
  }
}

const loose = { points: maybe(list(pointId)), filter: maybe(filter), shard_key: shardKeys }

export const payloadChange = selecting(
  struct('SetPayloadShadow', {
    payload: required(jsonObject),
    points: loose.points,
    filter: loose.filter,
    shard_key: shardKeys,
    key: maybe(jsonPath),
  }),
)

export const payloadDeletion = selecting(struct('DeletePayloadShadow', { keys: required(list(jsonPath)), ...loose }))

export const vectorsUpdate = struct('UpdateVectors', {
  points: required(
    list(struct<PointVectors>('PointVectors', { id: required(pointId), vector: required(vectorStruct, ['vectors']) })),
  ),
  shard_key: shardKeys,
  update_filter: optional(option(filter), () => undefined),
})

export const vectorsDeletion = struct('DeleteVectors', {
  points: loose.points,
  filter: loose.filter,
  vector: required(list(string), ['vectors']),
  shard_key: shardKeys,
})

const operation =
  <T, R extends Update>(
    key: string,
    name: string,
    inner: { decode: Decode<T>; make: (value: T) => R },
  ): Decode<Update> =>
  (node, way) =>
    inner.make(struct<Record<string, T>>(name, { [key]: required(inner.decode) })(node, way)[key] as T)

/** One operation of a batch. With two keys the first kind of this list counts. */
export const update = untagged<Update>(
  noVariant('UpdateOperation'),
  operation('upsert', 'UpsertOperation', { decode: upsert, make: (value) => value }),
  operation('delete', 'DeleteOperation', {
    decode: selection,
    make: (value) => ({ kind: 'delete', selection: value }),
  }),
  operation('set_payload', 'SetPayloadOperation', {
    decode: payloadChange,
    make: (value) => ({ kind: 'set-payload', ...value }),
  }),
  operation('overwrite_payload', 'OverwritePayloadOperation', {
    decode: payloadChange,
    make: (value) => ({ kind: 'overwrite-payload', ...value }),
  }),
  operation('delete_payload', 'DeletePayloadOperation', {
    decode: payloadDeletion,
    make: (value) => ({ kind: 'delete-payload', ...value }),
  }),
  operation('clear_payload', 'ClearPayloadOperation', {
    decode: selection,
    make: (value) => ({ kind: 'clear-payload', selection: value }),
  }),
  operation('update_vectors', 'UpdateVectorsOperation', {
    decode: vectorsUpdate,
    make: (value) => ({ kind: 'update-vectors', ...value }),
  }),
  operation('delete_vectors', 'DeleteVectorsOperation', {
    decode: vectorsDeletion,
    make: (value) => ({ kind: 'delete-vectors', ...value }),
  }),
)

export const updates = struct<{ operations: Update[] }>('UpdateOperations', { operations: required(list(update)) })

export function updateProblems(change: Update): Problem[] {
  switch (change.kind) {
    case 'upsert':
      return [...change.problems, ...nested('update_filter', filterProblems(change.update_filter))]
    case 'delete':
    case 'clear-payload':
      return []
    case 'update-vectors':
      return vectorsUpdateProblems(change)
    case 'delete-vectors':
      return [
        ...nested('filter', filterProblems(change.filter)),
        ...(change.vector.length === 0 ? [{ path: 'vector', message: 'must specify vector names to delete' }] : []),
      ]
    default:
      return nested('filter', filterProblems(change.filter))
  }
}

function vectorsUpdateProblems({ points, update_filter }: UpdateVectors): Problem[] {
  const none = points.length === 0 ? [{ path: 'points', message: 'must specify points to update' }] : []
  const bad = problemsOfList('points', points, ({ vector }) =>
    isEmptyVectorStruct(vector)
      ? [{ path: 'vector', message: 'must specify vectors to update for point' }]
      : vectorStructProblems(vector),
  )
  return [...none, ...bad, ...nested('update_filter', filterProblems(update_filter))]
}

const operationKeys: Record<Update['kind'], string> = {
  upsert: 'upsert',
  delete: 'delete',
  'set-payload': 'set_payload',
  'overwrite-payload': 'overwrite_payload',
  'delete-payload': 'delete_payload',
  'clear-payload': 'clear_payload',
  'update-vectors': 'update_vectors',
  'delete-vectors': 'delete_vectors',
}

export const updatesProblems = (operations: readonly Update[]) =>
  problemsOfList('operations', operations, (change) => nested(operationKeys[change.kind], updateProblems(change)))
