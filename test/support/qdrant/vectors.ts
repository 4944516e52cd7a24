/** Vectors as they are stored, and how alike two of them are, in floats of 32 bits. */
import { ApiError } from './api-error.ts'
import type { Datatype, Distance, SparseParams, VectorParams } from './collection-shape.ts'
import type { DenseVector, MultiVector, SparseVector, Vector, VectorStruct } from './vector-shape.ts'

export type StoredVector = DenseVector | SparseVector | MultiVector

/** The vectors that points of a collection may have. */
export interface VectorSchema {
  readonly dense: ReadonlyMap<string, VectorParams>
  readonly sparse: ReadonlyMap<string, SparseParams>
}

const wrongDimension = (expected: number, got: number, name?: string) =>
  ApiError.badInput(
    `Vector dimension error: expected dim: ${expected}, got ${got}${name === undefined ? '' : ` for vector '${name}'`}`,
  )

export const unknownVector = (name: string) => ApiError.badInput(`Not existing vector name error: ${name}`)

const lengthsOf = (vector: Vector): readonly number[] => {
  if (vector.kind === 'dense') return [vector.values.length]
  return vector.kind === 'multi' ? vector.vectors.map(({ length }) => length) : []
}

/** Checked before an operation is accepted, so that it fails also for those who do not wait. */
export function checkDimensions(schema: VectorSchema, { isNamed, vectors }: VectorStruct): void {
  for (const [name, vector] of vectors) {
    const params = schema.dense.get(name)
    const wrong = params && lengthsOf(vector).find((length) => length !== params.size)
    if (params && wrong !== undefined) throw wrongDimension(params.size, wrong, isNamed ? name : undefined)
  }
}

/** Checked while an operation is applied. */
export function checkVector(schema: VectorSchema, name: string, vector: Vector): asserts vector is StoredVector {
  if (vector.kind === 'inference') throw ApiError.inference()
  const params = schema.dense.get(name)
  if (!params) {
    if (!schema.sparse.has(name)) throw unknownVector(name)
    if (vector.kind === 'dense') throw ApiError.badInput('Conversion between sparse and regular vectors failed')
    if (vector.kind === 'multi') throw ApiError.badInput('Conversion between multi and regular vectors failed')
    return
  }
  if (vector.kind === 'sparse') throw ApiError.badInput('Conversion between sparse and regular vectors failed')
  if (vector.kind === 'multi' && !params.multivector_config) {
    throw ApiError.badInput('Conversion between multi and regular vectors failed')
  }
  const wrong = lengthsOf(vector).find((length) => length !== params.size)
  if (wrong !== undefined) throw wrongDimension(params.size, wrong)
}

/** A vector as it is kept: normalised for cosine, rounded to its datatype, sparse ones sorted. */
export function store(schema: VectorSchema, name: string, vector: StoredVector): StoredVector {
  if (vector.kind === 'sparse') return sortedSparse(vector)
  const params = schema.dense.get(name)
  if (!params) return vector
  const keep = (values: Float32Array) => rounded(prepared(params, values), params.datatype)
  if (!params.multivector_config)
    return vector.kind === 'dense' ? { kind: 'dense', values: keep(vector.values) } : vector
  const rows = vector.kind === 'multi' ? vector.vectors : [vector.values]
  return { kind: 'multi', vectors: rows.map(keep) }
}

function sortedSparse({ indices, values }: SparseVector): SparseVector {
  const order = indices.map((_, position) => position).sort((a, b) => (indices[a] ?? 0) - (indices[b] ?? 0))
  return {
    kind: 'sparse',
    indices: order.map((position) => indices[position] ?? 0),
    values: Float32Array.from(order, (position) => values[position] ?? 0),
  }
}

export function prepared({ distance, datatype }: VectorParams, values: Float32Array): Float32Array {
  return distance === 'Cosine' && datatype !== 'uint8' ? normalised(values) : values
}

function normalised(values: Float32Array): Float32Array {
  let square = 0
  for (const value of values) square = Math.fround(square + Math.fround(value * value))
  if (square < 1.1920929e-7 || Math.abs(square - 1) <= 1e-6) return values
  const length = Math.fround(Math.sqrt(square))
  return values.map((value) => Math.fround(value / length))
}

function rounded(values: Float32Array, datatype: Datatype | undefined): Float32Array {
  if (datatype === 'float16') return values.map((value) => Math.f16round(value))
  return datatype === 'uint8' ? values.map((value) => Math.min(255, Math.max(0, Math.trunc(value)))) : values
}

/** Larger is more alike; distances are negative here. */
function denseSimilarity(distance: Distance, a: Float32Array, b: Float32Array): number {
  let sum = 0
  for (let index = 0; index < a.length; index++) {
    const [x, y] = [a[index] ?? 0, b[index] ?? 0]
    sum = Math.fround(sum + termOf(distance, x, y))
  }
  return sum
}

function termOf(distance: Distance, x: number, y: number): number {
  if (distance === 'Manhattan') return -Math.abs(Math.fround(x - y))
  if (distance !== 'Euclid') return Math.fround(x * y)
  const difference = Math.fround(x - y)
  return -Math.fround(difference * difference)
}

function sparseSimilarity(a: SparseVector, b: SparseVector): number {
  const weights = new Map(b.indices.map((index, position) => [index, b.values[position] ?? 0]))
  return a.indices.reduce((sum, index, position) => {
    const weight = weights.get(index)
    return weight === undefined ? sum : Math.fround(sum + Math.fround((a.values[position] ?? 0) * weight))
  }, 0)
}

export const hasOverlap = (a: SparseVector, b: SparseVector) => a.indices.some((index) => b.indices.includes(index))

export function similarity(distance: Distance, query: StoredVector, stored: StoredVector): number {
  if (query.kind === 'sparse' || stored.kind === 'sparse') {
    return query.kind === 'sparse' && stored.kind === 'sparse' ? sparseSimilarity(query, stored) : 0
  }
  if (query.kind === 'dense' && stored.kind === 'dense') return denseSimilarity(distance, query.values, stored.values)
  // The best partner of each row of the query, summed up.
  const rows = query.kind === 'multi' ? query.vectors : [query.values]
  const partners = stored.kind === 'multi' ? stored.vectors : [stored.values]
  return rows.reduce((sum, row) => {
    const best = Math.max(...partners.map((partner) => denseSimilarity(distance, row, partner)))
    return Math.fround(sum + best)
  }, 0)
}

/** From the inner measure to the score that is shown. */
export function scoreOf(distance: Distance, measure: number): number {
  if (distance === 'Euclid') return Math.fround(Math.sqrt(Math.abs(measure)))
  return distance === 'Manhattan' ? Math.abs(measure) : measure
}

export const isSmallBetter = (distance: Distance | undefined) => distance === 'Euclid' || distance === 'Manhattan'
