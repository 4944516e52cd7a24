/** Points with scores, the way results of queries travel. */
import type { Collection, Point } from './collection.ts'
import type { PointId } from './ids.ts'
import { selectPayload } from './json-path.ts'
import type { WithPayload, WithVector } from './query-shape.ts'
import type { StoredVector } from './vectors.ts'
import { unknownVector } from './vectors.ts'
import { type Answer, Single } from './write-json.ts'

export interface Scored {
  readonly id: PointId
  readonly version: number
  readonly score: number
  /** The value that an `order_by` sorted by. */
  readonly orderValue?: Answer
}

export interface Shown {
  readonly withPayload: WithPayload
  readonly withVector: WithVector
}

export function showScored(collection: Collection, points: readonly Scored[], shown: Shown): Answer[] {
  checkVectorNames(collection, shown.withVector)
  return points.map(({ id, version, score, orderValue }) => {
    const point = collection.get(id)
    return {
      id,
      version,
      score: new Single(score),
      ...(point ? showParts(point, shown) : {}),
      order_value: orderValue,
    }
  })
}

export function showRecord(collection: Collection, point: Point, shown: Shown): Answer {
  checkVectorNames(collection, shown.withVector)
  return { id: point.id, ...showParts(point, shown) }
}

function checkVectorNames(collection: Collection, withVector: WithVector): void {
  if (typeof withVector === 'boolean') return
  const unknown = withVector.find((name) => !collection.config.hasVector(name))
  if (unknown !== undefined) throw unknownVector(unknown)
}

function showParts(point: Point, { withPayload, withVector }: Shown): { payload?: Answer; vector?: Answer } {
  const parts: { payload?: Answer; vector?: Answer } = {}
  if (withPayload !== false)
    parts.payload = withPayload === true ? point.payload : selectPayload(point.payload, withPayload)
  if (withVector !== false) parts.vector = showVectors(point.vectors, withVector)
  return parts
}

function showVectors(vectors: ReadonlyMap<string, StoredVector>, withVector: true | readonly string[]): Answer {
  const chosen = [...vectors].filter(([name]) => withVector === true || withVector.includes(name))
  const [only] = chosen
  if (only && chosen.length === 1 && only[0] === '') return showVector(only[1])
  return new Map(chosen.map(([name, vector]) => [name, showVector(vector)]))
}

function showVector(vector: StoredVector): Answer {
  if (vector.kind === 'dense') return vector.values
  if (vector.kind === 'multi') return vector.vectors
  return { indices: [...vector.indices], values: vector.values }
}
