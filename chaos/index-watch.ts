/** Watches the index from inside: which process wrote what, when, from which version of a document. */
import type { PointBookkeeping } from '../src/model.ts'
import type { HandledRequest } from '../test/support/qdrant-double.ts'
import { type Appearances, identityOf } from './embeddings.ts'

/** A change of one document that one request made. */
export interface IndexWrite {
  readonly at: number
  /** The process, `b.3`. */
  readonly by: string
  readonly doc: string
  readonly partition: number
  /** The timestamp of the record that wrote it; undefined when points were only deleted, which does not say for which version. */
  readonly version: number | undefined
  readonly upserts: number
  readonly payloads: number
  readonly deletes: number
  /** What was made to go wrong with the request. */
  readonly fault: string | undefined
}

interface Payload {
  readonly _millrace: PointBookkeeping
}

/** One of the operations of a batch, as Qdrant spells them. */
interface Operation {
  readonly upsert?: { readonly points: readonly { readonly id: string; readonly payload: Payload }[] }
  readonly set_payload?: { readonly payload: Payload; readonly points: readonly string[] }
  readonly delete?: { readonly points: readonly string[] }
}

type Tally = { -readonly [Name in 'version' | 'partition' | 'upserts' | 'payloads' | 'deletes']: IndexWrite[Name] }

const writing = /^\/collections\/[^/]+\/points\/batch/

export class IndexWatch {
  readonly writes: IndexWrite[] = []
  readonly #held = new Map<string, PointBookkeeping>()
  readonly #appearances = new Map<string, number>()
  #appeared = 0

  /** How many points each process brought into being. */
  readonly created = new Map<string, number>()

  get appearances(): Appearances {
    return this.#appearances
  }

  /** How many points the index must hold if this watch has seen everything. */
  get size(): number {
    return this.#held.size
  }

  handled({ method, path, headers, body, fault, failed }: HandledRequest): void {
    if (method !== 'POST' || !writing.test(path)) return
    const { operations } = JSON.parse(Buffer.from(body, 'latin1').toString('utf8')) as { operations: Operation[] }
    const done = operations.slice(0, failed ? this.#appliedBefore(operations, fault) : operations.length)
    const tallies = new Map<string, Tally>()
    const by = String(headers['api-key'] ?? '')
    const before = this.#appeared
    for (const operation of done) this.#apply(operation, tallies)
    this.created.set(by, (this.created.get(by) ?? 0) + this.#appeared - before)
    for (const [doc, tally] of tallies) this.writes.push({ at: Date.now(), by, doc, ...tally, fault: fault?.kind })
  }

  /** A batch stops at the first operation that fails; the only one that can is a payload for a point that is not there. */
  #appliedBefore(operations: readonly Operation[], fault: HandledRequest['fault']): number {
    if (fault?.kind === 'partial') return fault.operations
    const held = new Set(this.#held.keys())
    const at = operations.findIndex(({ upsert, set_payload }) => {
      for (const { id } of upsert?.points ?? []) held.add(id)
      return set_payload?.points.some((id) => !held.has(id))
    })
    return Math.max(0, at)
  }

  #apply(operation: Operation, tallies: Map<string, Tally>): void {
    for (const { id, payload } of operation.upsert?.points ?? []) this.#upserted(id, payload._millrace, tallies)
    const { payload, points: ids = [] } = operation.set_payload ?? {}
    for (const id of ids) {
      if (!payload || !this.#held.has(id)) continue
      this.#held.set(id, payload._millrace)
      tallyOf(tallies, payload._millrace, true).payloads++
    }
    for (const id of operation.delete?.points ?? []) this.#deleted(id, tallies)
  }

  #upserted(id: string, point: PointBookkeeping, tallies: Map<string, Tally>): void {
    const identity = identityOf(point)
    if (!this.#held.has(id)) {
      this.#appeared++
      this.#appearances.set(identity, (this.#appearances.get(identity) ?? 0) + 1)
    }
    this.#held.set(id, point)
    tallyOf(tallies, point, true).upserts++
  }

  #deleted(id: string, tallies: Map<string, Tally>): void {
    const point = this.#held.get(id)
    if (!point) return
    this.#held.delete(id)
    tallyOf(tallies, point, false).deletes++
  }
}

function tallyOf(tallies: Map<string, Tally>, { doc, partition, at }: PointBookkeeping, saysVersion: boolean): Tally {
  const known = tallies.get(doc)
  const tally = known ?? { version: undefined, partition, upserts: 0, payloads: 0, deletes: 0 }
  if (saysVersion) tally.version = Math.max(tally.version ?? 0, at)
  if (!known) tallies.set(doc, tally)
  return tally
}
