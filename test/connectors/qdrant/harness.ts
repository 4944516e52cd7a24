import { expect } from 'vitest'
import { ManualClock } from '../../../src/clock.ts'
import { type QdrantOptions, qdrant } from '../../../src/connectors/qdrant/sink.ts'
import { type Logger, silentLogger } from '../../../src/logger.ts'
import type { IndexOp } from '../../../src/model.ts'
import type { SinkWriter, StoredPoint, VectorIndex } from '../../../src/topology/processor.ts'
import { change, testDimensions } from '../../support/points.ts'
import { type QdrantDouble, type QdrantDoubleOptions, startQdrantDouble } from '../../support/qdrant-double.ts'

export const pipeline = { id: 'pipeline-a', dimensions: testDimensions }

export interface Bench extends AsyncDisposable {
  readonly double: QdrantDouble
  readonly clock: ManualClock
  readonly index: VectorIndex
  readonly writer: SinkWriter<string, readonly IndexOp[]>
  write(key: string, ...operations: readonly IndexOp[]): Promise<void>
  /** Batches that have arrived since the index was opened. */
  batches(): readonly SentBatch[]
  /** How many points the collection holds. */
  size(): number
  stored(): Promise<readonly StoredPoint[]>
  /** Waits until the n-th pause between attempts has begun; gives its length. */
  pause(n: number): Promise<Pause>
}

export interface Pause {
  readonly delayMs: number
  readonly error: string
}

export interface SentBatch {
  readonly path: string
  readonly bytes: number
  readonly body: string
  readonly operations: readonly SentOperation[]
}

export interface SentOperation {
  readonly upsert?: { readonly points: readonly { readonly id: string }[] }
  readonly set_payload?: { readonly payload: unknown; readonly points: readonly string[] }
  readonly delete?: { readonly points: readonly string[] }
}

export interface BenchOptions {
  readonly double?: QdrantDoubleOptions
  readonly index?: Partial<QdrantOptions>
  /** Runs before the index is opened. */
  readonly prepare?: (double: QdrantDouble) => Promise<unknown>
}

/** An open index on a double, with a clock that stands still: nothing is repeated before a test lets time pass. */
export async function openBench(options: BenchOptions = {}): Promise<Bench> {
  const double = await startQdrantDouble(options.double)
  await options.prepare?.(double)
  const clock = new ManualClock()
  const pauses: Pause[] = []
  const index = qdrant({
    collection: 'c',
    url: double.url,
    clock,
    logger: pauseLogger(pauses),
    requestTimeoutMs: 1e9,
    ...options.index,
  })
  await index.open(pipeline)
  const writer = index.writer('0_0')
  return {
    double,
    clock,
    index,
    writer,
    write: (key, ...operations) => writer.write(change(key, ...operations), new AbortController().signal),
    batches: () => double.requests.filter(({ path }) => path.includes('/points/batch')).map(sent),
    size: () => double.database.require('c').size,
    async stored() {
      const points: StoredPoint[] = []
      for await (const point of index.scan()) points.push(point)
      return points
    },
    async pause(n) {
      await expect.poll(() => pauses.length, { interval: 2 }).toBeGreaterThanOrEqual(n)
      const pause = pauses[n - 1]
      if (!pause) throw new Error(`there was no pause ${n}`)
      return pause
    },
    async [Symbol.asyncDispose]() {
      await index.close()
      await double.close()
    },
  }
}

function pauseLogger(pauses: Pause[]): Logger {
  const logger: Logger = {
    ...silentLogger,
    child: () => logger,
    warn: (facts) => {
      pauses.push({ delayMs: 0, error: '', ...facts })
    },
  }
  return logger
}

function sent({ path, bytes, body }: { path: string; bytes: number; body: string }): SentBatch {
  const isWhole = body.length === bytes
  const { operations }: { operations: readonly SentOperation[] } = isWhole ? JSON.parse(body) : { operations: [] }
  return { path, bytes, body, operations }
}

export const pointsIn = ({ operations }: Pick<SentBatch, 'operations'>): number =>
  operations.reduce((sum, { upsert }) => sum + (upsert?.points.length ?? 0), 0)

export async function send(double: QdrantDouble, method: string, path: string, body?: unknown): Promise<unknown> {
  const response = await fetch(`${double.url}${path}`, {
    method,
    headers: { 'content-type': 'application/json', 'api-key': 'write-key' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  })
  expect(response.status, await response.clone().text()).toBe(200)
  return response.json()
}
