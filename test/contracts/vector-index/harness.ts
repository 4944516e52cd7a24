import { afterEach, beforeEach } from 'vitest'
import { isStreamError } from '../../../src/errors.ts'
import type { IndexOp, Point, PointRef } from '../../../src/model.ts'
import type { Pipeline, SinkWriter, StoredPoint, VectorIndex } from '../../../src/topology/processor.ts'
import { change, testDimensions } from '../../support/points.ts'

/** One fresh, empty target of an index, for one test. */
export interface IndexTarget {
  /** A client of the target, not opened yet. Every call makes another client of the same target. */
  client(): VectorIndex
  dispose(): Promise<void>
}

export interface IndexCapabilities {
  /** Finds words: modes `text` and `hybrid`. */
  readonly text: boolean
}

/** The index under test as the features see it: one open client and one writer, both new for every test. */
export interface OpenIndex {
  readonly index: VectorIndex
  readonly writer: SinkWriter<string, readonly IndexOp[]>
  /** One more client of the same target, not opened. */
  client(): VectorIndex
  /** Opens one more client of the same target; closed after the test. */
  open(as?: Pipeline): Promise<VectorIndex>
  write(key: string, ...operations: readonly IndexOp[]): Promise<void>
  /** Every point by its id. */
  dump(from?: VectorIndex): Promise<Map<string, StoredPoint>>
  /** The text of every point, sorted. */
  contents(): Promise<string[]>
}

export const never = new AbortController().signal

/** Registers the hooks that give every test of this `describe` a fresh target. */
export function useIndex(createTarget: () => Promise<IndexTarget>): OpenIndex {
  let target: IndexTarget
  let index: VectorIndex
  let writer: SinkWriter<string, readonly IndexOp[]>
  const opened: VectorIndex[] = []

  const harness: OpenIndex = {
    get index() {
      return index
    },
    get writer() {
      return writer
    },
    client: () => target.client(),
    async open(as = { id: 'pipeline-a', dimensions: testDimensions }) {
      const client = target.client()
      opened.push(client)
      await client.open(as)
      return client
    },
    write: (key, ...operations) => writer.write(change(key, ...operations), never),
    async dump(from = index) {
      const found = new Map<string, StoredPoint>()
      for await (const stored of from.scan()) found.set(stored.id, stored)
      return found
    },
    async contents() {
      return [...(await harness.dump()).values()].map(({ payload }) => payload.content).sort()
    },
  }

  beforeEach(async () => {
    target = await createTarget()
    index = await harness.open()
    writer = index.writer('0_0')
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((client) => client.close()))
    await target.dispose()
  })
  return harness
}

export function refOf({ id, payload }: Point): PointRef {
  const { doc, partition, hash, payload: payloadHash, occurrence, pipeline } = payload._millrace
  return { id, doc, partition, hash, payloadHash, occurrence, pipeline }
}

export const byId = (refs: readonly PointRef[] = []): PointRef[] => refs.toSorted((a, b) => (a.id < b.id ? -1 : 1))

export const isSkip = (error: unknown): boolean => isStreamError(error) && error.reaction === 'skip'
