/** Requests that create or change a collection and its vectors. */
import {
  boolean,
  type Decode,
  dictionary,
  f32,
  f64,
  json,
  jsonObject,
  maybe,
  nonZero,
  noVariant,
  option,
  optional,
  required,
  struct,
  u8,
  u32,
  untagged,
  usize,
  variants,
} from './serde.ts'
import { inRange, nested, type Problem, problemsOfValues } from './validation.ts'

export type Distance = 'Cosine' | 'Euclid' | 'Dot' | 'Manhattan'
export type Datatype = 'float32' | 'float16' | 'uint8' | 'turbo4'

const distance = variants('Cosine', 'Euclid', 'Dot', 'Manhattan')
const datatype = variants('float32', 'uint8', 'float16', 'turbo4')
const multivector = struct('MultiVectorConfig', { comparator: required(variants('max_sim')) })

/** An option with a serde default. */
const some = <T>(decode: Decode<T>, aliases: readonly string[] = []) =>
  optional<T | undefined>(option(decode), () => undefined, aliases)

const hnsw = struct('HnswConfigDiff', {
  m: maybe(usize),
  ef_construct: maybe(usize),
  full_scan_threshold: some(usize, ['full_scan_threshold_kb']),
  max_indexing_threads: some(usize),
  on_disk: some(boolean),
  payload_m: some(usize),
  inline_storage: some(boolean),
})

const wal = struct('WalConfigDiff', {
  wal_capacity_mb: maybe(usize),
  wal_segments_ahead: maybe(usize),
  wal_retain_closed: maybe(usize),
})

const optimizers = struct('OptimizersConfigDiff', {
  deleted_threshold: maybe(f64),
  vacuum_min_vector_number: maybe(usize),
  default_segment_number: maybe(usize),
  max_segment_size: maybe(usize, ['max_segment_size_kb']),
  memmap_threshold: maybe(usize, ['memmap_threshold_kb']),
  indexing_threshold: maybe(usize, ['indexing_threshold_kb']),
  flush_interval_sec: maybe(usize),
  max_optimization_threads: maybe(
    untagged<number | 'auto'>(noVariant('MaxOptimizationThreads'), variants('auto'), usize),
  ),
  prevent_unoptimized: some(boolean),
})

/** A float of 32 bits that is printed as it was given. */
const quantile: Decode<number> = (node, way) => {
  f32(node, way)
  return f64(node, way)
}

const quantizationKinds = [
  struct('ScalarQuantization', {
    scalar: required(
      struct('ScalarQuantizationConfig', {
        type: required(variants('int8')),
        quantile: maybe(quantile),
        always_ram: maybe(boolean),
      }),
    ),
  }),
  struct('ProductQuantization', {
    product: required(
      struct('ProductQuantizationConfig', {
        compression: required(variants('x4', 'x8', 'x16', 'x32', 'x64')),
        always_ram: maybe(boolean),
      }),
    ),
  }),
  struct('BinaryQuantization', {
    binary: required(
      struct('BinaryQuantizationConfig', {
        always_ram: maybe(boolean),
        encoding: some(variants('one_bit', 'two_bits', 'one_and_half_bits')),
        query_encoding: some(variants('default', 'binary', 'scalar4bits', 'scalar8bits')),
      }),
    ),
  }),
  struct('TurboQuantization', {
    turbo: required(
      struct('TurboQuantQuantizationConfig', {
        always_ram: maybe(boolean),
        bits: some(variants('bits1', 'bits1_5', 'bits2', 'bits4')),
      }),
    ),
  }),
]

const quantization = untagged<object>(noVariant('QuantizationConfig'), ...quantizationKinds)
const quantizationDiff = untagged<object>(noVariant('QuantizationConfigDiff'), ...quantizationKinds, (node, way) => {
  variants('Disabled')(node, way)
  return {}
})

const size: Decode<number> = nonZero('u64')

const vectorParams = struct('VectorParams', {
  size: required(size),
  distance: required(distance),
  hnsw_config: some(hnsw),
  quantization_config: some(quantization, ['quantization']),
  on_disk: some(boolean),
  datatype: some(datatype),
  multivector_config: some(multivector),
})

export type VectorParams = ReturnType<typeof vectorParams>

const sparseParams = struct('SparseVectorParams', {
  index: some(
    struct('SparseIndexParams', {
      full_scan_threshold: maybe(usize),
      on_disk: maybe(boolean),
      datatype: some(datatype),
    }),
  ),
  modifier: some(variants('none', 'idf')),
})

export type SparseParams = ReturnType<typeof sparseParams>

export interface VectorsConfig {
  readonly isSingle: boolean
  readonly params: ReadonlyMap<string, VectorParams>
}

const vectors = untagged<VectorsConfig>(
  noVariant('VectorsConfig'),
  (node, way) => ({ isSingle: true, params: new Map([['', vectorParams(node, way)]]) }),
  (node, way) => ({ isSingle: false, params: sortedMap(dictionary(vectorParams)(node, way)) }),
)

const sortedMap = <T>(map: ReadonlyMap<string, T>) => new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)))

const perVector = <T>(decode: Decode<T>) => dictionary(decode)

export const strictMode = struct('StrictModeConfig', {
  enabled: maybe(boolean),
  max_query_limit: maybe(usize),
  max_timeout: maybe(usize),
  unindexed_filtering_retrieve: maybe(boolean),
  unindexed_filtering_update: maybe(boolean),
  search_max_hnsw_ef: maybe(usize),
  search_allow_exact: maybe(boolean),
  search_max_oversampling: maybe(f64),
  upsert_max_batchsize: maybe(usize),
  search_max_batchsize: maybe(usize),
  max_collection_vector_size_bytes: maybe(usize),
  read_rate_limit: maybe(usize),
  write_rate_limit: maybe(usize),
  max_collection_payload_size_bytes: maybe(usize),
  max_points_count: maybe(usize),
  filter_max_conditions: maybe(usize),
  condition_max_size: maybe(usize),
  multivector_config: maybe(perVector(struct('StrictModeMultivector', { max_vectors: maybe(usize) }))),
  sparse_config: maybe(perVector(struct('StrictModeSparse', { max_length: maybe(usize) }))),
  max_payload_index_count: maybe(usize),
  max_resident_memory_percent: maybe(u8),
  max_disk_usage_percent: maybe(u8),
})

export type StrictMode = ReturnType<typeof strictMode>

export const createCollection = struct('CreateCollection', {
  vectors: optional<VectorsConfig>(vectors, () => ({ isSingle: false, params: new Map() })),
  shard_number: some(u32),
  sharding_method: some(variants('auto', 'custom')),
  replication_factor: some(u32),
  write_consistency_factor: some(u32),
  on_disk_payload: some(boolean),
  hnsw_config: maybe(hnsw),
  wal_config: maybe(wal),
  optimizers_config: maybe(optimizers, ['optimizer_config']),
  quantization_config: some(quantization, ['quantization']),
  sparse_vectors: maybe(dictionary(sparseParams)),
  strict_mode_config: maybe(strictMode),
  uuid: some(json),
  metadata: some(jsonObject),
})

export type CreateCollection = ReturnType<typeof createCollection>

const vectorParamsDiff = struct('VectorParamsDiff', {
  hnsw_config: some(hnsw),
  quantization_config: some(quantizationDiff, ['quantization']),
  on_disk: some(boolean),
})

const paramsDiff = struct('CollectionParamsDiff', {
  replication_factor: maybe(nonZero('u32')),
  write_consistency_factor: maybe(nonZero('u32')),
  read_fan_out_factor: maybe(u32),
  read_fan_out_delay_ms: maybe(usize),
  on_disk_payload: some(boolean),
})

export const updateCollection = struct('UpdateCollection', {
  vectors: maybe(dictionary(vectorParamsDiff)),
  optimizers_config: maybe(optimizers, ['optimizer_config']),
  params: maybe(paramsDiff),
  hnsw_config: maybe(hnsw),
  quantization_config: some(quantizationDiff, ['quantization']),
  sparse_vectors: maybe(dictionary(sparseParams)),
  strict_mode_config: maybe(strictMode),
  metadata: some(jsonObject),
})

export type UpdateCollection = ReturnType<typeof updateCollection>

type Hnsw = ReturnType<typeof hnsw>

const hnswProblems = (config: Hnsw | undefined): Problem[] =>
  nested('hnsw_config', [
    ...inRange('ef_construct', config?.ef_construct, { min: 4 }),
    ...inRange('full_scan_threshold', config?.full_scan_threshold, { min: 10 }),
  ])

const optimizersProblems = (config: ReturnType<typeof optimizers> | undefined): Problem[] =>
  nested('optimizers_config', [
    ...inRange('deleted_threshold', config?.deleted_threshold, { min: 0, max: 1, isFloat: true }),
    ...inRange('vacuum_min_vector_number', config?.vacuum_min_vector_number, { min: 100 }),
    ...inRange('max_segment_size', config?.max_segment_size, { min: 1 }),
  ])

function strictModeProblems(config: StrictMode | undefined): Problem[] {
  if (!config) return []
  const least = (name: keyof StrictMode, value: number | undefined) => inRange(name, value, { min: 1 })
  return nested('strict_mode_config', [
    ...least('max_query_limit', config.max_query_limit),
    ...least('max_timeout', config.max_timeout),
    ...least('read_rate_limit', config.read_rate_limit),
    ...least('write_rate_limit', config.write_rate_limit),
    ...least('max_points_count', config.max_points_count),
    ...inRange('max_resident_memory_percent', config.max_resident_memory_percent, { min: 1, max: 100 }),
    ...inRange('max_disk_usage_percent', config.max_disk_usage_percent, { min: 1, max: 100 }),
  ])
}

const quantizationProblems = (config: object | undefined): Problem[] => {
  const { scalar }: { scalar?: { quantile?: number } } = config ?? {}
  const quantile = scalar?.quantile === undefined ? undefined : Math.fround(scalar.quantile)
  const rule = inRange('scalar.quantile', quantile, { min: 0.5, max: 1, isFloat: true })
  return nested('quantization_config', rule)
}

const vectorParamsProblems = (params: VectorParams): Problem[] => [
  ...inRange('size', params.size, { min: 1, max: 65536 }),
  ...hnswProblems(params.hnsw_config),
  ...quantizationProblems(params.quantization_config),
]

export function createProblems(request: CreateCollection): Problem[] {
  const { isSingle, params } = request.vectors
  const bad = isSingle
    ? [...params.values()].flatMap(vectorParamsProblems)
    : problemsOfValues(params.values(), vectorParamsProblems)
  return [
    ...nested('vectors', bad),
    ...inRange('shard_number', request.shard_number, { min: 1 }),
    ...inRange('replication_factor', request.replication_factor, { min: 1 }),
    ...inRange('write_consistency_factor', request.write_consistency_factor, { min: 1 }),
    ...hnswProblems(request.hnsw_config),
    ...nested('wal_config', inRange('wal_capacity_mb', request.wal_config?.wal_capacity_mb, { min: 1 })),
    ...optimizersProblems(request.optimizers_config),
    ...quantizationProblems(request.quantization_config),
    ...strictModeProblems(request.strict_mode_config),
  ]
}

export function updateCollectionProblems(request: UpdateCollection): Problem[] {
  const diffs = request.vectors?.values() ?? []
  return [
    ...nested(
      'vectors',
      problemsOfValues(diffs, (diff) => [
        ...hnswProblems(diff.hnsw_config),
        ...quantizationProblems(diff.quantization_config),
      ]),
    ),
    ...optimizersProblems(request.optimizers_config),
    ...hnswProblems(request.hnsw_config),
    ...quantizationProblems(request.quantization_config),
    ...strictModeProblems(request.strict_mode_config),
  ]
}

const forbidden = ['<', '>', ':', '"', '/', '\\', '|', '?', '*', '\0', '\u001f']

/** What is wrong with the name of a new collection or vector. */
export function badNameCharacter(
  name: string,
  what: string,
  characters: readonly string[] = forbidden,
): string | undefined {
  const found = characters.find((character) => name.includes(character))
  return found === undefined ? undefined : `${what} cannot contain "${found}" char`
}

const denseName = struct('DenseVectorNameConfig', {
  dense: required(
    struct('DenseVectorConfig', {
      size: required(usize),
      distance: required(distance),
      multivector_config: some(multivector),
      datatype: some(datatype),
    }),
  ),
})

const sparseName = struct('SparseVectorNameConfig', {
  sparse: required(struct('SparseVectorConfig', { modifier: some(variants('none', 'idf')), datatype: some(datatype) })),
})

export const vectorNameConfig = untagged<ReturnType<typeof denseName> | ReturnType<typeof sparseName>>(
  noVariant('VectorNameConfig'),
  denseName,
  sparseName,
)

export type VectorNameConfig = ReturnType<typeof vectorNameConfig>

export const vectorNameProblems = (config: VectorNameConfig): Problem[] =>
  'dense' in config ? nested('dense', inRange('size', config.dense.size, { min: 1, max: 65_536 })) : []
