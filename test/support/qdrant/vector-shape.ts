/** Vectors as requests spell them: dense, sparse, several dense ones, each alone or by name. */
import type { Json } from './json.ts'
import {
  type Decode,
  dictionary,
  f32,
  floats,
  json,
  list,
  noVariant,
  required,
  string,
  struct,
  u32,
  untagged,
} from './serde.ts'
import { type Problem, problem, problemsOfValues } from './validation.ts'

export interface SparseVector {
  readonly kind: 'sparse'
  readonly indices: readonly number[]
  readonly values: Float32Array
}

export interface DenseVector {
  readonly kind: 'dense'
  readonly values: Float32Array
}

export interface MultiVector {
  readonly kind: 'multi'
  readonly vectors: readonly Float32Array[]
}

/** Something that a model would turn into a vector; there is no model here. */
export interface InferenceObject {
  readonly kind: 'inference'
  readonly source: 'Document' | 'Image' | 'Object'
}

export type Vector = DenseVector | SparseVector | MultiVector | InferenceObject

/** All vectors of a point: the unnamed one has the empty name. */
export interface VectorStruct {
  readonly isNamed: boolean
  readonly vectors: ReadonlyMap<string, Vector>
}

export const dense: Decode<DenseVector> = (node, way) => ({ kind: 'dense', values: floats(node, way) })

export const multi: Decode<MultiVector> = (node, way) => ({ kind: 'multi', vectors: list(floats)(node, way) })

export const sparse: Decode<SparseVector> = (node, way) => {
  const { indices, values } = struct<{ indices: number[]; values: number[] }>('SparseVector', {
    indices: required(list(u32)),
    values: required(list(f32)),
  })(node, way)
  return { kind: 'sparse', indices, values: Float32Array.from(values) }
}

const model = struct<{ model: string }>('Model', { model: required(string) })

const from =
  (source: InferenceObject['source'], read: Decode<object>): Decode<InferenceObject> =>
  (node, way) => {
    model(node, way)
    read(node, way)
    return { kind: 'inference', source }
  }

export const inference = untagged<InferenceObject>(
  'not an inference object',
  from('Document', struct<{ text: string }>('Document', { text: required(string) })),
  from('Image', struct<{ image: Json }>('Image', { image: required(json) })),
  from('Object', struct<{ object: Json }>('InferenceObject', { object: required(json) })),
)

export const vector = untagged<Vector>(noVariant('Vector'), dense, sparse, multi, inference)

const alone =
  <T extends Vector>(decode: Decode<T>): Decode<VectorStruct> =>
  (node, way) => ({ isNamed: false, vectors: new Map([['', decode(node, way)]]) })

export const vectorStruct = untagged<VectorStruct>(
  noVariant('VectorStruct'),
  alone(dense),
  alone(multi),
  (node, way) => ({ isNamed: true, vectors: dictionary(vector)(node, way) }),
  alone(inference),
)

export interface BatchVectors {
  readonly isNamed: boolean
  readonly vectors: ReadonlyMap<string, readonly Vector[]>
}

const column =
  <T extends Vector>(decode: Decode<T>): Decode<BatchVectors> =>
  (node, way) => ({ isNamed: false, vectors: new Map([['', list(decode)(node, way)]]) })

export const batchVectors = untagged<BatchVectors>(
  noVariant('BatchVectorStruct'),
  column(dense),
  column(multi),
  (node, way) => ({ isNamed: true, vectors: dictionary(list(vector))(node, way) }),
  column(inference),
)

export interface NamedVector {
  readonly name: string
  readonly vector: DenseVector | SparseVector
}

/** The vector of a search: bare, or with its name. */
export const searchVector = untagged<NamedVector>(
  noVariant('NamedVectorStruct'),
  (node, way) => ({ name: '', vector: dense(node, way) }),
  struct('NamedVector', { name: required(string), vector: required(dense) }),
  struct('NamedSparseVector', { name: required(string), vector: required(sparse) }),
)

export function vectorProblems(candidate: Vector): Problem[] {
  if (candidate.kind === 'dense') {
    return candidate.values.length === 0 ? [{ path: 'vector', message: 'dense vector must not be empty' }] : []
  }
  if (candidate.kind === 'sparse') return sparseProblems(candidate)
  return candidate.kind === 'multi' ? multiProblems(candidate) : []
}

export function sparseProblems({ indices, values }: SparseVector): Problem[] {
  if (indices.length !== values.length) return [problem('values', 'must be the same length as indices')]
  return new Set(indices).size === indices.length ? [] : [problem('indices', 'must be unique')]
}

const maxMultiVectorLength = 32 * 1024

export function multiProblems({ vectors }: MultiVector): Problem[] {
  const at = (message: string): Problem[] => [{ path: 'data', message }]
  const [first] = vectors
  if (!first) return at('multi vector must not be empty')
  if (vectors.some(({ length }) => length === 0)) return at('all vectors must be non-empty')
  const total = vectors.reduce((sum, { length }) => sum + length, 0)
  if (total >= maxMultiVectorLength) {
    return at(`Total size of all vectors (${total}) must be less than ${maxMultiVectorLength}`)
  }
  const odd = vectors.find(({ length }) => length !== first.length)
  return odd ? at(`all vectors must have the same dimension, found vector with dimension ${odd.length}`) : []
}

export function vectorStructProblems({ isNamed, vectors }: VectorStruct): Problem[] {
  if (isNamed) return problemsOfValues(vectors.values(), vectorProblems)
  return [...vectors.values()].flatMap(vectorProblems)
}

export function isEmptyVectorStruct({ vectors }: VectorStruct): boolean {
  return [...vectors.values()].every((candidate) => {
    if (candidate.kind === 'dense') return candidate.values.length === 0
    if (candidate.kind === 'sparse') return candidate.indices.length === 0
    return candidate.kind === 'multi' && candidate.vectors.length === 0
  })
}
