import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import { plainData } from '../../plain-data.ts'
import type { ReadableCopy, StoreQueries } from '../../runtime/views.ts'
import type { Forwarder } from './forwarder.ts'
import { distanceOf, type Page, type StalePart } from './page.ts'
import type { Cursor, PageRequest } from './page-request.ts'

export interface PagesOptions {
  readonly queries: StoreQueries
  readonly forwarder: Forwarder
  readonly clock: Clock
}

/** Bytes of JSON, and rows looked at. */
const maxPageBytes = 4 * 1024 * 1024
const maxPageRows = 10_000
const maxPageMs = 5_000
/** So many rows, then the runtime has its turn. */
const rowsPerTurn = 200

/** What a page may still take. */
interface Room {
  entries: number
  bytes: number
  rows: number
  readonly endsAt: number
}

/** Fills pages, partition by partition, each from where it can be had: here, or at another instance. */
export class Pages {
  readonly #options: PagesOptions

  constructor(options: PagesOptions) {
    this.#options = options
  }

  /**
   * `isForwarded`: another instance asks, which does not want to be sent on. Throws STORE_UNKNOWN, QUERY_INVALID, and STORE_UNAVAILABLE when
   * the first partition of the page cannot be had.
   */
  async page(store: string, request: PageRequest, isForwarded: boolean): Promise<Page> {
    const { clock } = this.#options
    const room = { entries: request.limit, bytes: maxPageBytes, rows: maxPageRows, endsAt: clock.now() + maxPageMs }
    const entries: string[] = []
    const stale: StalePart[] = []
    for (const start of this.#starts(store, request)) {
      if (isFull(room, clock.now())) return { entries, stale, next: start }
      const part = await this.#part(store, { ...request, cursor: start }, { room, isForwarded }).catch((error) => {
        // What was found is told; the next page begins with what was not.
        if (entries.length > 0 && isUnavailable(error)) return { entries: [], stale: [], next: start }
        throw error
      })
      entries.push(...part.entries)
      stale.push(...part.stale)
      if (part.next) return { entries, stale, next: part.next }
    }
    return { entries, stale, next: undefined }
  }

  /** Where each partition that is left begins. */
  #starts(store: string, request: PageRequest): readonly Cursor[] {
    const { cursor = { partition: 0, after: undefined } } = request
    return this.#partitionsOf(store, request)
      .filter((partition) => partition >= cursor.partition)
      .map((partition) => (partition === cursor.partition ? cursor : { partition, after: undefined }))
  }

  #partitionsOf(store: string, { query, partition }: PageRequest): readonly number[] {
    const { queries } = this.#options
    if (typeof partition === 'number') return [partition]
    const possible = queries.partitionsOf(store, query)
    return partition === 'all' ? Array.from({ length: queries.store(store).partitions }, (_, each) => each) : possible
  }

  async #part(
    store: string,
    request: PageRequest & { readonly cursor: Cursor },
    { room, isForwarded }: { readonly room: Room; readonly isForwarded: boolean },
  ): Promise<Page> {
    const { queries, forwarder } = this.#options
    const { partition } = request.cursor
    const copy = this.#copyHere(store, partition, request)
    if (!(copy instanceof StreamError)) return this.#read(copy, request, room)
    const { active, standbys } = queries.hostsOf(store, partition)
    const { maxBehindMs, maxBehindRecords } = request.staleness
    const mayBeStale = maxBehindMs !== undefined || maxBehindRecords !== undefined
    const hosts = [...(active === undefined ? [] : [active]), ...(mayBeStale ? standbys : [])]
    if (isForwarded || hosts.length === 0) throw copy
    const page = await forwarder.firstAnswer(hosts, { ...request, limit: room.entries })
    room.entries -= page.entries.length
    room.bytes -= page.entries.reduce((sum, entry) => sum + entry.length, 0)
    return page
  }

  /** Or why there is none that may answer. */
  #copyHere(store: string, partition: number, { staleness }: PageRequest): ReadableCopy | StreamError {
    try {
      return this.#options.queries.copy(store, partition, staleness)
    } catch (error) {
      if (isUnavailable(error)) return error
      throw error
    }
  }

  async #read(copy: ReadableCopy, { query, cursor }: PageRequest & { readonly cursor: Cursor }, room: Room) {
    const { clock } = this.#options
    const { partition } = cursor
    const entries: string[] = []
    let next: Cursor | undefined
    for await (const { place, entry } of copy.read(query, cursor.after)) {
      // One more than there is room for shows that there is a next page.
      if (isFull(room, clock.now())) {
        next = cursor
        break
      }
      room.rows--
      cursor = { partition, after: place }
      if (entry) {
        const text = JSON.stringify(plainData(entry))
        room.entries--
        room.bytes -= text.length
        entries.push(text)
      }
      if (room.rows % rowsPerTurn === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    const { role, behind } = copy
    return { entries, next, stale: role === 'standby' ? [{ partition, ...distanceOf(behind) }] : [] }
  }
}

function isFull({ entries, bytes, rows, endsAt }: Room, now: number): boolean {
  return entries <= 0 || bytes <= 0 || rows <= 0 || now >= endsAt
}

function isUnavailable(error: unknown): error is StreamError {
  return isStreamError(error) && error.code === 'STORE_UNAVAILABLE'
}
