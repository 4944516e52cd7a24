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

function upsertOf({ id, vector, payload }: Point, { dimensions, keys }: ChangeRules): PointChange {
  checkVector(vector, dimensions, `point ${id}`)
  return { kind: 'upsert', id, vector: writeVector(vector), payload: writePayload(payload, keys) }
}

function updateOf(update: PayloadUpdate, earlier: PointChange | undefined, { keys }: ChangeRules): PointChange {
  const payload = writePayload(update.payload, keys)
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

function writePayload({ content, metadata, _millrace }: PointPayload, keys: PayloadKeys): string {
  try {
    return JSON.stringify({ [keys.content]: content, [keys.metadata]: metadata, _millrace })
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

/** The body of one batch: few, large operations. Points that get the same payload share one. */
export function batchOf(changes: readonly PointChange[]): Batch {
  const operations: string[] = []
  const upserts = changes.flatMap((change) => (change.kind === 'upsert' ? [pointText(change)] : []))
  if (upserts.length > 0) operations.push(`{"upsert":{"points":[${upserts.join()}]}}`)
  for (const [payload, ids] of payloadGroups(changes)) {
    operations.push(`{"set_payload":{"payload":${payload},"points":${JSON.stringify(ids)}}}`)
  }
  const deletes = changes.flatMap((change) => (change.kind === 'delete' ? [change.id] : []))
  if (deletes.length > 0) operations.push(`{"delete":{"points":${JSON.stringify(deletes)}}}`)
  return { body: `{"operations":[${operations.join()}]}`, operations: operations.length }
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
