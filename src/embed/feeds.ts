import { type InferenceSession, Tensor } from 'onnxruntime-node'
import { StreamError } from '../errors.ts'
import type { PackedRows } from './worker-protocol.ts'

const inputNames = ['input_ids', 'attention_mask', 'token_type_ids', 'position_ids'] as const

export interface Input {
  readonly name: (typeof inputNames)[number]
  readonly type: 'int64' | 'int32'
}

/** What the graph asks for. Throws MODEL_INVALID when there is something that texts do not have. */
export function inputsOf({ inputMetadata }: InferenceSession): readonly Input[] {
  const inputs = inputMetadata.map((value) => {
    const name = inputNames.find((known) => known === value.name)
    const type = value.isTensor && (value.type === 'int64' || value.type === 'int32') ? value.type : undefined
    return name && type ? { name, type } : undefined
  })
  const unknown = inputMetadata.filter((_, at) => inputs[at] === undefined).map(({ name }) => name)
  if (unknown.length > 0)
    throw new StreamError('MODEL_INVALID', `the model asks for the inputs ${unknown.join(', ')}, which are not known`)
  return inputs.filter((input) => input !== undefined)
}

/** The rows as the graph wants them, padded on the right. */
export function feedsOf(inputs: readonly Input[], rows: PackedRows, width: number): Record<string, Tensor> {
  const shape = [rows.lengths.length, width]
  const feeds: Record<string, Tensor> = {}
  for (const { name, type } of inputs) {
    // Ids are small: writing the low words alone makes no bigint. (Every platform of the runtime is little-endian.)
    const words = type === 'int64' ? 2 : 1
    const values = new Int32Array(rows.lengths.length * width * words)
    fill(values, { name, rows, width, words })
    feeds[name] =
      type === 'int64'
        ? new Tensor('int64', new BigInt64Array(values.buffer), shape)
        : new Tensor('int32', values, shape)
  }
  return feeds
}

interface Filling {
  readonly name: Input['name']
  readonly rows: PackedRows
  readonly width: number
  /** Words of 32 bits per value. */
  readonly words: number
}

function fill(values: Int32Array, { name, rows: { ids, lengths }, width, words }: Filling): void {
  if (name === 'token_type_ids') return
  let from = 0
  for (const [row, length] of lengths.entries()) {
    for (let at = 0; at < length; at++) {
      const value = name === 'input_ids' ? (ids[from + at] ?? 0) : name === 'position_ids' ? at : 1
      values[(row * width + at) * words] = value
    }
    from += length
  }
}
