import { StreamError } from '../../errors.ts'
import { type Client, collectionPath, statusOf } from './client.ts'
import { epochField } from './operations.ts'

export interface CollectionRequest {
  readonly collection: string
  /** Undefined for a reader that takes what there is. */
  readonly dimensions: number | undefined
  /** Creates nothing. */
  readonly readOnly: boolean
  /** Writes are fenced by epochs, which have to be looked up. */
  readonly fence: boolean
}

/** The collection as it was found, or made. */
export interface CollectionFacts {
  /** Its own name: an alias may be pointed elsewhere in the middle of a batch. */
  readonly name: string
  readonly dimensions: number
  /** How many points the server takes in one request; infinite when it has no limit. */
  readonly maxPoints: number
  /** How many points it gives back at once, and how many values a filter may have. */
  readonly maxPage: number
  readonly maxConditionSize: number
}

interface CollectionInfo {
  readonly config: {
    readonly params: { readonly vectors?: VectorParams | Readonly<Record<string, unknown>> }
    readonly strict_mode_config?: StrictMode | null
  }
  readonly payload_schema?: Readonly<Record<string, { readonly data_type: string }>>
}

interface VectorParams {
  readonly size: number
  readonly distance: string
  readonly multivector_config?: unknown
}

interface StrictMode {
  readonly enabled?: boolean | null
  readonly upsert_max_batchsize?: number | null
  readonly write_rate_limit?: number | null
  readonly max_query_limit?: number | null
  readonly condition_max_size?: number | null
}

/** Created before anything is loaded: looking up a document is 56 times faster with its index. */
const payloadIndexes = { '_millrace.doc': 'keyword', '_millrace.partition': 'integer' } as const

/** Looked up for every point that a fenced request changes. */
const fenceIndexes = { ...payloadIndexes, [epochField]: 'integer' } as const

/** Filters of writes before it are applied wrongly when the server replays its log after a crash. */
const firstFenceVersion = [1, 19] as const

/** The first one that has everything that is asked of it: queries, and sparse vectors weighed by the server. */
const firstVersion = [1, 10] as const

/**
 * Verifies the collection and creates what is missing. INDEX_MISMATCH says all that is wrong with it, before anything is written;
 * INDEX_MISSING when there is none and none may be created.
 */
export async function openCollection(client: Client, request: CollectionRequest): Promise<CollectionFacts> {
  const isFenced = request.fence && !request.readOnly
  await checkVersion(client, isFenced)
  const name = await realName(client, request.collection)
  const info = (await find(client, name)) ?? (await create(client, name, request))
  const indexes = isFenced ? fenceIndexes : payloadIndexes
  const dimensions = verify(info, name, { dimensions: request.dimensions, indexes })
  if (!request.readOnly) await createIndexes(client, name, { info, indexes })
  return factsOf(info, { name, dimensions, isFenced })
}

function factsOf(
  { config }: CollectionInfo,
  { isFenced, ...known }: Pick<CollectionFacts, 'name' | 'dimensions'> & { readonly isFenced: boolean },
): CollectionFacts {
  const strict = config.strict_mode_config?.enabled ? config.strict_mode_config : {}
  return {
    ...known,
    maxPoints: Math.min(
      strict.upsert_max_batchsize ?? Infinity,
      strict.write_rate_limit ?? Infinity,
      // A fenced request names its points in a filter.
      isFenced ? (strict.condition_max_size ?? Infinity) : Infinity,
    ),
    maxPage: strict.max_query_limit ?? Infinity,
    maxConditionSize: strict.condition_max_size ?? Infinity,
  }
}

export interface CollectionLook {
  readonly facts: CollectionFacts
  /** Payload fields that `openCollection` will index. */
  readonly missingIndexes: readonly string[]
}

/** Verifies like `openCollection`, and creates nothing; undefined when there is no such collection. */
export async function lookAtCollection(
  client: Client,
  request: CollectionRequest,
): Promise<CollectionLook | undefined> {
  const isFenced = request.fence && !request.readOnly
  await checkVersion(client, isFenced)
  const name = await realName(client, request.collection)
  const info = await find(client, name)
  if (!info) return undefined
  const indexes = isFenced ? fenceIndexes : payloadIndexes
  const dimensions = verify(info, name, { dimensions: request.dimensions, indexes })
  const missingIndexes = Object.keys(indexes).filter((field) => !info.payload_schema?.[field])
  return { facts: factsOf(info, { name, dimensions, isFenced }), missingIndexes }
}

async function checkVersion(client: Client, isFenced: boolean): Promise<void> {
  const { text } = await client.patiently('GET', '/')
  const [, major, minor] = /"version":"(\d+)\.(\d+)/.exec(text)?.map(Number) ?? []
  if (major === undefined || minor === undefined) {
    throw new StreamError('CONFIG_INVALID', `the server at ${client.address} does not answer like Qdrant`, {
      fix: 'Give the URL of its REST interface, usually port 6333.',
    })
  }
  const isAtLeast = ([first, second]: readonly [number, number]) =>
    major > first || (major === first && minor >= second)
  if (isFenced && !isAtLeast(firstFenceVersion)) {
    throw new StreamError(
      'CONFIG_INVALID',
      `a fence needs Qdrant ${firstFenceVersion.join('.')}, the server at ${client.address} has ${major}.${minor}`,
      {
        fix: 'Upgrade the server, or leave `fence` out: without it the lease keeps former owners from writing.',
      },
    )
  }
  if (isAtLeast(firstVersion)) return
  throw new StreamError('INDEX_MISMATCH', `Qdrant at ${client.address} has version ${major}.${minor}`, {
    fix: `Upgrade it to ${firstVersion.join('.')} or later.`,
  })
}

interface Alias {
  readonly alias_name: string
  readonly collection_name: string
}

async function realName(client: Client, name: string): Promise<string> {
  const { aliases } = await client.ask<{ aliases: readonly Alias[] }>('GET', '/aliases')
  return aliases.find(({ alias_name }) => alias_name === name)?.collection_name ?? name
}

async function find(client: Client, name: string): Promise<CollectionInfo | undefined> {
  try {
    return await client.ask<CollectionInfo>('GET', collectionPath(name))
  } catch (error) {
    if (statusOf(error) === 404) return undefined
    throw error
  }
}

/** The sparse vector waits for hybrid search: it cannot be had later without writing every point again. */
async function create(
  client: Client,
  name: string,
  { dimensions, readOnly }: CollectionRequest,
): Promise<CollectionInfo> {
  if (readOnly || dimensions === undefined) {
    throw new StreamError('INDEX_MISSING', `there is no collection "${name}" at ${client.address}`)
  }
  const body = {
    vectors: { size: dimensions, distance: 'Cosine' },
    sparse_vectors: { bm25: { modifier: 'idf' } },
  }
  try {
    await client.ask('PUT', collectionPath(name), { body })
  } catch (error) {
    // Another instance was faster, or an attempt without an answer was successful.
    if (statusOf(error) !== 409) throw error
  }
  return client.ask<CollectionInfo>('GET', collectionPath(name))
}

type Indexes = Readonly<Record<string, string>>

interface Wanted {
  readonly dimensions: number | undefined
  readonly indexes: Indexes
}

function verify(info: CollectionInfo, name: string, { dimensions, indexes }: Wanted): number {
  const { vectors = {} } = info.config.params
  const problems = isUnnamed(vectors) ? problemsOf(vectors, dimensions) : [`it has named vectors (${namesOf(vectors)})`]
  for (const [field, type] of Object.entries(indexes)) {
    const found = info.payload_schema?.[field]?.data_type ?? type
    if (found !== type) problems.push(`its payload index on ${field} is ${found} instead of ${type}`)
  }
  if (problems.length === 0 && isUnnamed(vectors)) return vectors.size
  throw new StreamError('INDEX_MISMATCH', `the collection "${name}" does not fit: ${problems.join('; ')}`)
}

const isUnnamed = (vectors: VectorParams | Readonly<Record<string, unknown>>): vectors is VectorParams =>
  typeof vectors.size === 'number'

const namesOf = (vectors: object) => Object.keys(vectors).join(', ') || 'none but sparse ones'

function problemsOf({ size, distance, multivector_config }: VectorParams, wanted = size): string[] {
  const problems: string[] = []
  if (size !== wanted) problems.push(`its vectors have ${size} dimensions, the model makes ${wanted}`)
  if (distance !== 'Cosine') problems.push(`its distance is ${distance} instead of Cosine`)
  if (multivector_config) problems.push('it holds multi-vectors')
  return problems
}

async function createIndexes(
  client: Client,
  name: string,
  { info, indexes }: { readonly info: CollectionInfo; readonly indexes: Indexes },
): Promise<void> {
  for (const [field_name, field_schema] of Object.entries(indexes)) {
    if (info.payload_schema?.[field_name]) continue
    await client.ask('PUT', `${collectionPath(name)}/index?wait=true`, { body: { field_name, field_schema } })
  }
}
