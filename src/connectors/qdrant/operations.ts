import { StreamError } from '../../errors.ts'
import type { IndexOp, PayloadUpdate, Point, PointId, PointPayload } from '../../model.ts'

/** What is to happen to one point. Texts are JSON. */
export type PointChange =
  | { readonly kind: 'upsert'; readonly id: PointId; readonly vector: string; readonly payload: string }
  | { readonly kind: 'set-payload'; readonly id: PointId; readonly payload: string }
  | { readonly kind: 'delete'; readonly id: PointId }

/** Under which keys of the payload the text and the metadata are stored. */
export interface PayloadKeys {
  readonly content: string
  readonly metadata: string
}

export interface ChangeRules {
  readonly dimensions: number
  readonly keys: PayloadKeys
  /** A point that needs more cannot be sent at all. */
  readonly maxBytes: number
  /** Of the owner that writes, where its writes are fenced. */
  readonly epoch: number | undefined
}

/**
 * The end result of the operations of one record: at most one change a point, upserts first, then payloads, then deletes, so that a
 * reader finds old and new together for a moment but never neither. INDEX_REJECTED names what cannot be stored.
 */
export function changesOf(operations: readonly IndexOp[], rules: ChangeRules): PointChange[] {
  const changes = new Map<PointId, PointChange>()
  for (const operation of operations) apply(changes, operation, rules)
  for (const change of changes.values()) checkSize(change, rules)
  return [...changes.values()].sort(bySafety)
}

const order = { upsert: 0, 'set-payload': 1, delete: 2 } as const

/** Upserts first, deletes last. */
export const bySafety = (a: PointChange, b: PointChange) => order[a.kind] - order[b.kind]

function apply(changes: Map<PointId, PointChange>, operation: IndexOp, rules: ChangeRules): void {
  switch (operation.kind) {
    case 'upsert':
      for (const point of operation.points) changes.set(checkedId(point.id), upsertOf(point, rules))
      break
    case 'set-payload':
      for (const update of operation.updates) {
        const id = checkedId(update.id)
        changes.set(id, updateOf(update, changes.get(id), rules))
      }
      break
    case 'delete':
      for (const id of operation.ids) changes.set(checkedId(id), { kind: 'delete', id })
  }
}

function upsertOf({ id, vector, payload }: Point, rules: ChangeRules): PointChange {
  checkVector(vector, rules.dimensions, `point ${id}`)
  return { kind: 'upsert', id, vector: writeVector(vector), payload: writePayload(payload, rules) }
}

function updateOf(update: PayloadUpdate, earlier: PointChange | undefined, rules: ChangeRules): PointChange {
  const payload = writePayload(update.payload, rules)
  if (earlier?.kind === 'upsert') return { ...earlier, payload }
  if (earlier?.kind === 'delete') throw rejected(`the payload of point ${update.id} is set after the point was deleted`)
  return { kind: 'set-payload', id: update.id, payload }
}

/** Two spellings of one UUID are one point to the server; here they would be two. */
function checkedId(id: PointId): PointId {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)) return id
  throw rejected(`the point id ${JSON.stringify(id)} is not a UUID in lower case`)
}

/** The server would store another length in part, and 1e39 as infinity. */
export function checkVector(vector: Float32Array, dimensions: number, what: string): void {
  if (vector.length !== dimensions) {
    throw rejected(`the vector of ${what} has ${vector.length} dimensions, the index has ${dimensions}`)
  }
  if (!vector.every(Number.isFinite)) throw rejected(`the vector of ${what} has a value that is not a finite number`)
}

function checkSize(change: PointChange, { maxBytes }: ChangeRules): void {
  const bytes = bytesOf(change)
  if (bytes <= maxBytes) return
  throw rejected(`point ${change.id} needs ${bytes} bytes, a request can have ${maxBytes}`)
}

const rejected = (fact: string, cause?: unknown) => new StreamError('INDEX_REJECTED', fact, { cause })

/** Nine significant digits give back every float32 exactly, in two thirds of the bytes and time that JSON.stringify takes. */
export function writeVector(vector: Float32Array): string {
  let text = '['
  for (let i = 0; i < vector.length; i++) text += `${i > 0 ? ',' : ''}${(vector[i] ?? 0).toPrecision(9)}`
  return `${text}]`
}

/** An epoch that is undefined leaves nothing behind. */
function writePayload({ content, metadata, _millrace }: PointPayload, { keys, epoch }: ChangeRules): string {
  try {
    return JSON.stringify({ [keys.content]: content, [keys.metadata]: metadata, _millrace: { ..._millrace, epoch } })
  } catch (cause) {
    throw rejected(`the metadata of "${_millrace.doc}" cannot be written as JSON`, cause)
  }
}

/** Names of fields, id and punctuation around a change. */
const frameBytes = 100

/** How much a change adds to a request. */
export function bytesOf(change: PointChange): number {
  const payload = change.kind === 'delete' ? 0 : Buffer.byteLength(change.payload)
  return frameBytes + payload + (change.kind === 'upsert' ? change.vector.length : 0)
}

export interface Batch {
  readonly body: string
  /** How many operations, and so results, there are. */
  readonly operations: number
}

/**
 * The body of one batch: few, large operations. Points that get the same payload share one. With an epoch nothing changes a point that an
 * owner with a larger one has written.
 */
export function batchOf(changes: readonly PointChange[], epoch?: number): Batch {
  const { condition, select, requireAll } = epoch === undefined ? unfenced : fencedBy(epoch)
  const operations: string[] = []
  const upserts = changes.flatMap((change) => (change.kind === 'upsert' ? [pointText(change)] : []))
  if (upserts.length > 0) operations.push(`{"upsert":{"points":[${upserts.join()}]${condition}}}`)
  operations.push(...requireAll(idsOf(changes, 'set-payload')))
  for (const [payload, ids] of payloadGroups(changes)) {
    operations.push(`{"set_payload":{"payload":${payload},${select(ids)}}}`)
  }
  const deletes = idsOf(changes, 'delete')
  if (deletes.length > 0) operations.push(`{"delete":{${select(deletes)}}}`)
  return { body: `{"operations":[${operations.join()}]}`, operations: operations.length }
}

/** How operations name the points that they are about. Texts are JSON. */
interface Selector {
  /** Which of its points an upsert replaces; those that do not exist are inserted in any case. */
  readonly condition: string
  readonly select: (ids: readonly PointId[]) => string
  /** Operations that change nothing, and fail with 404 when one of the points does not exist. */
  readonly requireAll: (ids: readonly PointId[]) => readonly string[]
}

const byIds = (ids: readonly PointId[]) => `"points":${JSON.stringify(ids)}`

/** What selects by ids fails by itself. */
const unfenced: Selector = { condition: '', select: byIds, requireAll: () => [] }

/** A filter does not miss what it does not find: ids are asked for first, by taking a field away that no point has. */
function fencedBy(epoch: number): Selector {
  const passes = `"should":[{"key":"${epochField}","range":{"lte":${epoch}}},{"is_empty":{"key":"${epochField}"}}]`
  return {
    condition: `,"update_filter":{${passes}}`,
    select: (ids) => `"filter":{"must":[{"has_id":${JSON.stringify(ids)}}],${passes}}`,
    requireAll: (ids) => (ids.length === 0 ? [] : [`{"delete_payload":{"keys":["${absentField}"],${byIds(ids)}}}`]),
  }
}

/** The epoch of the owner that wrote a point. */
export const epochField = '_millrace.epoch'

const absentField = '_millrace.none'

function idsOf(changes: readonly PointChange[], kind: PointChange['kind']): PointId[] {
  return changes.flatMap((change) => (change.kind === kind ? [change.id] : []))
}

function pointText({ id, vector, payload }: PointChange & { kind: 'upsert' }): string {
  return `{"id":"${id}","vector":${vector},"payload":${payload}}`
}

function payloadGroups(changes: readonly PointChange[]): Map<string, PointId[]> {
  const groups = new Map<string, PointId[]>()
  for (const change of changes) {
    if (change.kind !== 'set-payload') continue
    const ids = groups.get(change.payload)
    if (ids) ids.push(change.id)
    else groups.set(change.payload, [change.id])
  }
  return groups
}
