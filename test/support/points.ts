import { createHash } from 'node:crypto'
import type { IndexOp, Metadata, Point, PointPayload } from '../../src/model.ts'
import { noHeaders, type StreamRecord } from '../../src/record.ts'

export const testDimensions = 8

export interface PointOptions {
  readonly occurrence?: number
  readonly partition?: number
  readonly metadata?: Metadata
  readonly pipeline?: string
  readonly heading?: string
  readonly at?: number
  readonly vector?: Float32Array
}

const hex = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The same text always gets the same direction; different texts get directions that have nothing to do with one another. */
export function unitVector(text: string, dimensions = testDimensions): Float32Array {
  const vector = new Float32Array(dimensions)
  for (let i = 0; i < dimensions; i++) vector[i] = Number.parseInt(hex(`${text}#${i}`).slice(0, 8), 16) / 2 ** 31 - 1
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}

/** A point of document `doc` with that text: id, hash and vector follow from its arguments. */
export function point(doc: string, text: string, options: PointOptions = {}): Point {
  const { occurrence = 0, pipeline = 'pipeline-a' } = options
  const id = hex(`${pipeline}\n${doc}\n${text}\n${occurrence}`)
  return {
    id: `${id.slice(0, 8)}-${id.slice(8, 12)}-5${id.slice(13, 16)}-8${id.slice(17, 20)}-${id.slice(20, 32)}`,
    vector: options.vector ?? unitVector(text),
    meaning: options.heading ? `${options.heading}\n${text}` : text,
    payload: payload(doc, text, options),
  }
}

export function payload(doc: string, text: string, options: PointOptions = {}): PointPayload {
  const { occurrence = 0, partition = 0, metadata = {}, pipeline = 'pipeline-a', heading = '', at = 1_000 } = options
  return {
    content: text,
    metadata: { ...metadata, source: doc, heading },
    _millrace: {
      doc,
      partition,
      hash: hex(text).slice(0, 32),
      payload: hex(JSON.stringify([text, heading, metadata])).slice(0, 16),
      occurrence,
      pipeline,
      at,
    },
  }
}

export const upsert = (...points: readonly Point[]): IndexOp => ({ kind: 'upsert', points })

export const setPayload = (target: Point, changed: PointPayload): IndexOp => ({
  kind: 'set-payload',
  updates: [{ id: target.id, payload: changed }],
})

export const remove = (...points: readonly Point[]): IndexOp => ({ kind: 'delete', ids: points.map(({ id }) => id) })

/** The record that carries `operations` of document `key` to an index. */
export function change(key: string, ...operations: readonly IndexOp[]): StreamRecord<string, readonly IndexOp[]> {
  return { key, value: operations, timestamp: 1_000, headers: noHeaders }
}
