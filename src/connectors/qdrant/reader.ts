import { StreamError } from '../../errors.ts'
import type { DocumentKey, Hit, PointBookkeeping, PointId, PointPayload, PointRef } from '../../model.ts'
import type { ScanOptions, SearchOptions, SearchQuery, StoredPoint } from '../../topology/processor.ts'
import { type Client, collectionGone, collectionPath, statusOf } from './client.ts'
import { checkVector, type PayloadKeys, writeVector } from './operations.ts'
import type { CollectionFacts } from './schema.ts'

const pagePoints = 1_000
const keysAtOnce = 100

type RawPayload = Readonly<Record<string, unknown>>

interface RawPoint {
  readonly id: PointId
  readonly payload?: RawPayload | null
}

interface Page {
  readonly points: readonly RawPoint[]
  readonly next_page_offset?: PointId | null
}

interface PageRequest {
  readonly condition?: object
  readonly withPayload: boolean | readonly string[]
  readonly signal?: AbortSignal | undefined
}

export interface ReaderOptions {
  readonly client: Client
  readonly facts: CollectionFacts
  readonly keys: PayloadKeys
  /** Called with the epoch of each point that is observed, if it has one; what it throws ends the look. */
  readonly epochSeen: (epoch: number) => void
}

/** Looks at a collection. Reads ask a majority of the replicas, so that they see every acknowledged write. */
export class Reader {
  readonly #client: Client
  readonly #facts: CollectionFacts
  readonly #keys: PayloadKeys
  readonly #epochSeen: (epoch: number) => void

  constructor({ client, facts, keys, epochSeen }: ReaderOptions) {
    this.#client = client
    this.#facts = facts
    this.#keys = keys
    this.#epochSeen = epochSeen
  }

  async observe(keys: readonly DocumentKey[], signal?: AbortSignal): Promise<Map<DocumentKey, PointRef[]>> {
    const refs: PointRef[] = []
    const step = Math.min(keysAtOnce, this.#facts.maxConditionSize)
    for (let start = 0; start < keys.length; start += step) {
      const condition = { key: '_millrace.doc', match: { any: keys.slice(start, start + step) } }
      for await (const point of this.#points({ condition, withPayload: ['_millrace'], signal })) {
        const bookkeeping = bookkeepingOf(point)
        if (!bookkeeping) continue
        if (bookkeeping.epoch !== undefined) this.#epochSeen(bookkeeping.epoch)
        refs.push(refOf(point.id, bookkeeping))
      }
    }
    return Map.groupBy(refs, ({ doc }) => doc)
  }

  /** Points that Millrace did not write are left out. */
  async *scan({ partition, signal }: ScanOptions): AsyncGenerator<StoredPoint> {
    const condition = { key: '_millrace.partition', match: { value: partition } }
    const request = { ...(partition !== undefined && { condition }), withPayload: true, signal }
    for await (const point of this.#points(request)) {
      const bookkeeping = bookkeepingOf(point)
      if (bookkeeping) yield { ...refOf(point.id, bookkeeping), payload: this.#payloadOf(point.payload ?? {}) }
    }
  }

  /** The pipelines of so many points, whichever come first. */
  async samplePipelines(limit: number): Promise<readonly string[]> {
    const body = { limit: Math.min(limit, this.#facts.maxPage), with_payload: ['_millrace'] }
    const { points } = await this.#ask<Page>('scroll', body)
    return [...new Set(points.flatMap((point) => bookkeepingOf(point)?.pipeline ?? []))]
  }

  async *#points({ condition, withPayload, signal }: PageRequest): AsyncGenerator<RawPoint> {
    const request = {
      limit: Math.min(pagePoints, this.#facts.maxPage),
      with_payload: withPayload,
      ...(condition && { filter: { must: [condition] } }),
    }
    let offset: PointId | null | undefined
    do {
      const body = offset === undefined ? request : { ...request, offset }
      const page = await this.#ask<Page>('scroll', body, signal)
      for (const point of page.points) {
        signal?.throwIfAborted()
        yield point
      }
      offset = page.next_page_offset
    } while (offset !== null && offset !== undefined)
  }

  async search({ vector }: SearchQuery, { limit = 10, mode = 'hybrid' }: SearchOptions): Promise<readonly Hit[]> {
    if (mode === 'text') throw usage('Qdrant finds no words yet', 'Search with mode "vector".')
    if (!vector) throw usage(`a ${mode} search needs the vector of its text`, 'Embed the text.')
    if (!Number.isSafeInteger(limit) || limit < 1)
      throw usage(`a search cannot have ${limit} hits`, 'Ask for one or more.')
    checkVector(vector, this.#facts.dimensions, 'the query')
    const query: unknown = JSON.parse(writeVector(vector))
    const { points } = await this.#ask<{ points: readonly (RawPoint & { readonly score: number })[] }>('query', {
      query,
      limit,
      with_payload: true,
    })
    return points.map(({ id, score, payload }) => ({ id, score, payload: this.#payloadOf(payload ?? {}) }))
  }

  async #ask<T>(method: 'scroll' | 'query', body: object, signal?: AbortSignal): Promise<T> {
    const path = `${collectionPath(this.#facts.name)}/points/${method}?consistency=majority`
    try {
      return await this.#client.ask<T>('POST', path, { body, signal })
    } catch (error) {
      if (statusOf(error) !== 404) throw error
      throw collectionGone(this.#facts.name, this.#client.address)
    }
  }

  /** What the writer wrote; of points of others, whatever is there. */
  #payloadOf(raw: RawPayload): PointPayload {
    const { content, metadata } = this.#keys
    return { content: raw[content], metadata: raw[metadata], _millrace: withoutEpoch(raw._millrace) } as PointPayload
  }
}

/** As it is stored. */
type StoredBookkeeping = PointBookkeeping & { readonly epoch?: number }

function bookkeepingOf({ payload }: RawPoint): StoredBookkeeping | undefined {
  const found = payload?._millrace
  const isOurs = typeof found === 'object' && found !== null && 'doc' in found && 'hash' in found
  return isOurs ? (found as unknown as StoredBookkeeping) : undefined
}

function refOf(id: PointId, { doc, partition, hash, payload, occurrence, pipeline }: PointBookkeeping): PointRef {
  return { id, doc, partition, hash, payloadHash: payload, occurrence, pipeline }
}

/** The epoch is between the collection and its writers. */
function withoutEpoch(bookkeeping: unknown): unknown {
  if (typeof bookkeeping !== 'object' || bookkeeping === null || !('epoch' in bookkeeping)) return bookkeeping
  const { epoch: _, ...rest } = bookkeeping
  return rest
}

const usage = (fact: string, fix: string) => new StreamError('USAGE', fact, { fix })
