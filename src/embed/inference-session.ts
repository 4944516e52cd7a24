import type { InferenceSession, Tensor } from 'onnxruntime-node'
import { StreamError } from '../errors.ts'
import { feedsOf, inputsOf } from './feeds.ts'
import { fromHalfFloats } from './half-float.ts'
import type { NativeGate } from './native-gate.ts'
import { pool } from './pooling.ts'
import { createSession } from './session.ts'
import type { WorkerService } from './worker-port.ts'
import { type InferenceReady, type InferenceSetup, type PackedRows, packRows } from './worker-protocol.ts'

/** A session that embeds what it is asked to. The runtime computes on the thread that calls it, and blocks it. */
export async function openSession(
  setup: InferenceSetup,
  gate: NativeGate,
): Promise<WorkerService<InferenceReady, PackedRows, Float32Array>> {
  const session = await gate.pass(() => createSession(setup))
  const output = outputOf(session)
  const inputs = inputsOf(session)
  const modelDimensions = output.dimensions ?? setup.modelDimensions
  const run = async (rows: PackedRows) => {
    const width = rows.lengths.reduce((longest, length) => Math.max(longest, length), 0)
    const results = await gate.pass(() => session.run(feedsOf(inputs, rows, width), [output.name]))
    const hidden = hiddenOf(results[output.name], [rows.lengths.length, width, modelDimensions])
    return pool(hidden, rows.lengths, { ...setup, width, modelDimensions })
  }
  // The id 0 is in every vocabulary.
  if (setup.warmUpTokens > 0) await run(packRows([new Int32Array(setup.warmUpTokens)]))
  return {
    ready: { dimensions: modelDimensions },
    async handle(rows) {
      const vectors = await run(rows)
      return { message: vectors, transfer: [vectors.buffer] }
    },
    close: () => gate.pass(() => session.release()),
  }
}

interface Output {
  readonly name: string
  /** Undefined when the graph does not say. */
  readonly dimensions: number | undefined
}

/** The output with one vector per token. */
function outputOf({ outputMetadata }: InferenceSession): Output {
  for (const { name, ...value } of outputMetadata) {
    if (!value.isTensor || !['float32', 'float16'].includes(value.type) || value.shape.length !== 3) continue
    const dimensions = value.shape[2]
    return { name, dimensions: typeof dimensions === 'number' ? dimensions : undefined }
  }
  const found = outputMetadata.map((value) => `${value.name} ${value.isTensor ? `[${value.shape.join(', ')}]` : ''}`)
  throw new StreamError(
    'MODEL_INVALID',
    `the model has no output [batch, tokens, dimensions] of floats; it has ${found.join(', ') || 'none'}`,
  )
}

/** What the graph says is not always what it does. */
function hiddenOf(output: Tensor | undefined, expected: readonly number[]): Float32Array {
  const found = output?.dims ?? []
  if (!output || found.join() !== expected.join())
    throw new StreamError('MODEL_INVALID', `the model gives [${found.join(', ')}] instead of [${expected.join(', ')}]`)
  return output.type === 'float16' ? fromHalfFloats(output.data as ArrayBufferView) : (output.data as Float32Array)
}
