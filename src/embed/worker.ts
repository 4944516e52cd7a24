import { type InferenceSession, Tensor } from 'onnxruntime-node'
import { StreamError } from '../errors.ts'
import { NativeGate } from './native-gate.ts'
import { createSession } from './session.ts'
import { serveRequests, type WorkerService } from './worker-port.ts'
import type { InferenceReady, InferenceSetup, PackedRows } from './worker-protocol.ts'

await serveRequests(openSession)

/** A session in a thread of its own: the runtime computes on the thread that calls it, and blocks it. */
async function openSession(setup: InferenceSetup): Promise<WorkerService<InferenceReady, PackedRows, Float32Array>> {
  const gate = new NativeGate(setup.gate)
  const session = await gate.pass(() => createSession(setup))
  const output = outputOf(session)
  refuseUnknownInputs(session)
  return {
    ready: { dimensions: output.dimensions },
    async handle(rows) {
      const width = rows.lengths.reduce((longest, length) => Math.max(longest, length), 0)
      const feeds = feedsOf(session.inputNames, rows, width)
      const results = await gate.pass(() => session.run(feeds, [output.name]))
      const hidden = results[output.name]?.data as Float32Array
      const vectors = pool(hidden, rows.lengths, { width, dimensions: output.dimensions, setup })
      return { message: vectors, transfer: [vectors.buffer] }
    },
    close: () => gate.pass(() => session.release()),
  }
}

interface Output {
  readonly name: string
  readonly dimensions: number
}

/** The output with one vector per token. */
function outputOf(session: InferenceSession): Output {
  for (const metadata of session.outputMetadata) {
    if (!metadata.isTensor || metadata.type !== 'float32' || metadata.shape.length !== 3) continue
    const dimensions = metadata.shape[2]
    if (typeof dimensions === 'number') return { name: metadata.name, dimensions }
  }
  throw new StreamError('MODEL_INVALID', 'the model has no float32 output [batch, tokens, dimensions]')
}

function refuseUnknownInputs({ inputNames }: InferenceSession): void {
  const unknown = inputNames.filter((name) => !['input_ids', 'attention_mask', 'token_type_ids'].includes(name))
  if (unknown.length > 0) throw new StreamError('MODEL_INVALID', `the model asks for the inputs ${unknown.join(', ')}`)
}

function feedsOf(names: readonly string[], rows: PackedRows, width: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {}
  for (const name of names) feeds[name] = new Tensor('int64', inputOf(name, rows, width), [rows.lengths.length, width])
  return feeds
}

function inputOf(name: string, { ids, lengths }: PackedRows, width: number): BigInt64Array {
  const input = new BigInt64Array(lengths.length * width)
  if (name === 'token_type_ids') return input
  // Ids are small: writing the low words alone makes no bigint. (Every platform of the runtime is little-endian.)
  const lowWords = new Int32Array(input.buffer)
  let from = 0
  for (const [row, length] of lengths.entries()) {
    const start = row * width
    for (let at = 0; at < length; at++) lowWords[(start + at) * 2] = name === 'input_ids' ? (ids[from + at] ?? 0) : 1
    from += length
  }
  return input
}

interface PoolOptions {
  readonly width: number
  readonly dimensions: number
  readonly setup: InferenceSetup
}

/** One vector per row out of one vector per token. A row that is not made of finite numbers becomes NaN as a whole. */
function pool(hidden: Float32Array, lengths: Int32Array, options: PoolOptions): Float32Array<ArrayBuffer> {
  const { width, dimensions, setup } = options
  const vectors = new Float32Array(lengths.length * dimensions)
  for (const [row, length] of lengths.entries()) {
    const vector = vectors.subarray(row * dimensions, (row + 1) * dimensions)
    const pooled = setup.pooling === 'cls' ? 1 : length
    for (let token = 0; token < pooled; token++) {
      const start = (row * width + token) * dimensions
      for (let at = 0; at < dimensions; at++) vector[at] = (vector[at] ?? 0) + (hidden[start + at] ?? 0)
    }
    scale(vector, pooled, setup.normalize)
  }
  return vectors
}

function scale(vector: Float32Array, pooled: number, normalize: boolean): void {
  let squares = 0
  for (const value of vector) squares += value * value
  const divisor = normalize ? Math.sqrt(squares) : pooled
  const factor = Number.isFinite(squares) ? 1 / divisor : Number.NaN
  for (let at = 0; at < vector.length; at++) vector[at] = (vector[at] ?? 0) * factor
}
