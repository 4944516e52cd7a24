/** The settings of a collection: what was asked for over the defaults of the server, and how they are shown. */

import { ApiError } from './api-error.ts'
import type {
  CreateCollection,
  SparseParams,
  StrictMode,
  UpdateCollection,
  VectorNameConfig,
  VectorParams,
} from './collection-shape.ts'
import { Float, type Json, type JsonObject } from './json.ts'
import { mergeInto } from './json-path.ts'
import type { Answer } from './write-json.ts'

type Section = Record<string, Json>

const defaultHnsw: Section = {
  m: 16,
  ef_construct: 100,
  full_scan_threshold: 10000,
  max_indexing_threads: 0,
  on_disk: false,
}

const defaultOptimizers: Section = {
  deleted_threshold: new Float(0.2),
  vacuum_min_vector_number: 1000,
  default_segment_number: 0,
  max_segment_size: null,
  memmap_threshold: null,
  indexing_threshold: 10000,
  flush_interval_sec: 5,
  max_optimization_threads: null,
  prevent_unoptimized: null,
}

const defaultWal: Section = { wal_capacity_mb: 32, wal_segments_ahead: 0, wal_retain_closed: 1 }

type Diff = Readonly<Record<string, number | boolean | string | undefined>> | undefined

const over = (base: Section, diff: Diff): Section => ({ ...base, ...given(diff) })

function given(diff: Diff): Section {
  const entries = Object.entries(diff ?? {}).flatMap(([key, value]): [string, Json][] => {
    if (value === undefined) return []
    if (key === 'max_optimization_threads' && value === 'auto') return [[key, null]]
    return [[key, key === 'deleted_threshold' && typeof value === 'number' ? new Float(value) : value]]
  })
  return Object.fromEntries(entries)
}

export class CollectionConfig {
  readonly dense: Map<string, VectorParams>
  readonly sparse: Map<string, SparseParams>
  readonly #isSingle: boolean
  #hasSparse: boolean
  readonly shards: number
  #params: Section
  #hnsw: Section
  #optimizers: Section
  readonly #wal: Section
  #quantization: object | undefined
  #strictMode: StrictMode | undefined
  #metadata: JsonObject | undefined

  constructor(request: CreateCollection) {
    this.dense = new Map(request.vectors.params)
    this.#isSingle = request.vectors.isSingle
    this.sparse = new Map([...(request.sparse_vectors ?? [])].sort(([a], [b]) => (a < b ? -1 : 1)))
    this.#hasSparse = request.sparse_vectors !== undefined
    this.shards = request.shard_number ?? 1
    this.#params = {
      shard_number: this.shards,
      ...(request.sharding_method === undefined ? {} : { sharding_method: request.sharding_method }),
      replication_factor: request.replication_factor ?? 1,
      write_consistency_factor: request.write_consistency_factor ?? 1,
      on_disk_payload: request.on_disk_payload ?? true,
    }
    this.#hnsw = over(defaultHnsw, request.hnsw_config)
    this.#optimizers = over(defaultOptimizers, request.optimizers_config)
    this.#wal = over(defaultWal, request.wal_config)
    this.#quantization = request.quantization_config
    this.#strictMode = request.strict_mode_config
    this.#metadata = request.metadata
  }

  get activeStrictMode(): StrictMode | undefined {
    return this.#strictMode?.enabled ? this.#strictMode : undefined
  }

  hasVector(name: string): boolean {
    return this.dense.has(name) || this.sparse.has(name)
  }

  update(request: UpdateCollection): void {
    this.#optimizers = over(this.#optimizers, request.optimizers_config)
    this.#params = { ...this.#params, ...given(request.params) }
    this.#hnsw = over(this.#hnsw, request.hnsw_config)
    this.#updateVectors(request)
    if (request.quantization_config) {
      const isDisabled = Object.keys(request.quantization_config).length === 0
      this.#quantization = isDisabled ? undefined : request.quantization_config
    }
    if (request.strict_mode_config) this.#updateStrictMode(request.strict_mode_config)
    if (request.metadata) this.#updateMetadata(request.metadata)
  }

  #updateVectors({ vectors, sparse_vectors }: UpdateCollection): void {
    for (const name of vectors?.keys() ?? []) this.#requireVector(name, this.dense)
    for (const [name, diff] of vectors ?? []) {
      const params = this.dense.get(name)
      if (params) this.dense.set(name, withDiff(params, diff))
    }
    for (const name of sparse_vectors?.keys() ?? []) this.#requireVector(name, this.sparse)
    for (const [name, params] of sparse_vectors ?? []) this.sparse.set(name, { ...this.sparse.get(name), ...params })
  }

  #requireVector(name: string, known: ReadonlyMap<string, unknown>): void {
    if (!known.has(name)) throw ApiError.badInput(`Not existing vector name error: ${name}`)
  }

  #updateStrictMode(diff: StrictMode): void {
    const entries = Object.entries(diff).filter(([, value]) => value !== undefined)
    this.#strictMode = { ...(this.#strictMode ?? diff), ...Object.fromEntries(entries) }
  }

  #updateMetadata(diff: JsonObject): void {
    if (diff.size === 0) {
      this.#metadata = undefined
      return
    }
    this.#metadata ??= new Map()
    mergeInto(this.#metadata, diff)
  }

  /** Adds a named vector to a living collection; the same again is fine. */
  addVector(name: string, config: VectorNameConfig): void {
    if ('dense' in config) this.#addDense(name, config.dense)
    else this.#addSparse(name, config.sparse)
  }

  #addDense(name: string, config: Extract<VectorNameConfig, { dense: unknown }>['dense']): void {
    const known = this.dense.get(name)
    if (this.sparse.has(name)) throw ApiError.badInput(`Vector \`${name}\` already exists as a sparse vector`)
    if (known && (known.size !== config.size || known.distance !== config.distance)) {
      throw ApiError.badInput(`Vector \`${name}\` already exists with a different configuration`)
    }
    const blank = { hnsw_config: undefined, quantization_config: undefined, on_disk: undefined }
    if (!known) this.dense.set(name, { ...blank, ...config })
  }

  #addSparse(name: string, config: Extract<VectorNameConfig, { sparse: unknown }>['sparse']): void {
    const known = this.sparse.get(name)
    if (this.dense.has(name)) throw ApiError.badInput(`Vector \`${name}\` already exists as a dense vector`)
    if (known && known.modifier !== config.modifier) {
      throw ApiError.badInput(`Sparse vector \`${name}\` already exists with a different configuration`)
    }
    if (!known) this.sparse.set(name, { index: undefined, modifier: config.modifier })
    this.#hasSparse = true
  }

  removeVector(name: string): void {
    this.dense.delete(name)
    this.sparse.delete(name)
  }

  show(): Answer {
    return {
      params: this.#showParams(),
      hnsw_config: this.#hnsw,
      optimizer_config: this.#optimizers,
      wal_config: this.#wal,
      quantization_config: (this.#quantization as Answer | undefined) ?? null,
      strict_mode_config: this.#strictMode && showStrictMode(this.#strictMode),
      metadata: this.#metadata,
    }
  }

  #showParams(): Answer {
    const single = this.#isSingle ? this.dense.get('') : undefined
    return {
      vectors: single ? showVector(single) : sorted(this.dense, showVector),
      ...this.#params,
      sparse_vectors: this.#hasSparse ? sorted(this.sparse, showSparse) : undefined,
    }
  }
}

function withDiff(params: VectorParams, diff: Partial<VectorParams>): VectorParams {
  const entries = Object.entries(diff).filter(([, value]) => value !== undefined)
  return { ...params, ...Object.fromEntries(entries) }
}

const sorted = <T>(map: ReadonlyMap<string, T>, show: (value: T) => Answer): Answer =>
  new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, value]) => [name, show(value)]))

const showVector = (params: VectorParams): Answer => ({
  ...params,
  hnsw_config: isBlank(params.hnsw_config) ? undefined : params.hnsw_config,
  quantization_config: params.quantization_config as Answer | undefined,
})

const showSparse = (params: SparseParams): Answer => ({ ...params })

const isBlank = (diff: object | undefined) =>
  diff === undefined || Object.values(diff).every((value) => value === undefined)

const showStrictMode = (config: StrictMode): Answer => ({
  ...config,
  search_max_oversampling:
    config.search_max_oversampling === undefined ? undefined : new Float(config.search_max_oversampling),
})
