import type { Transferable } from 'node:worker_threads'
import type { ErrorCode } from '../errors.ts'

/** What the main thread sends: `open` first, then requests, which are answered in order, and `close` at any time. */
export type ToWorker<Setup, Request> =
  | { readonly kind: 'open'; readonly setup: Setup }
  | { readonly kind: 'request'; readonly id: number; readonly request: Request }
  | { readonly kind: 'close' }

/** What a worker sends: once `ready`, then one answer per request; or `unusable`, and nothing more. */
export type FromWorker<Ready, Reply> =
  | { readonly kind: 'ready'; readonly ready: Ready }
  | { readonly kind: 'unusable'; readonly code: ErrorCode; readonly reason: string }
  | { readonly kind: 'reply'; readonly id: number; readonly reply: Reply }
  | { readonly kind: 'failed'; readonly id: number; readonly reason: string }

/** A message, and which of its buffers move to the other thread instead of being copied. */
export interface Outgoing<Message> {
  readonly message: Message
  readonly transfer: readonly Transferable[]
}

/** Texts as token ids: the rows one after the other, and how long each of them is. */
export interface PackedRows {
  readonly ids: Int32Array<ArrayBuffer>
  readonly lengths: Int32Array<ArrayBuffer>
}

export function packRows(rows: readonly Int32Array[]): PackedRows {
  const lengths = Int32Array.from(rows, (row) => row.length)
  const ids = new Int32Array(lengths.reduce((sum, length) => sum + length, 0))
  let at = 0
  for (const row of rows) {
    ids.set(row, at)
    at += row.length
  }
  return { ids, lengths }
}

/** The rows again, each with memory of its own. */
export function unpackRows({ ids, lengths }: PackedRows): readonly Int32Array[] {
  let at = 0
  return Array.from(lengths, (length) => {
    at += length
    return ids.slice(at - length, at)
  })
}

/** What the inference worker is opened with. */
export interface InferenceSetup {
  /** Path of the ONNX file. */
  readonly weights: string
  readonly provider: ExecutionProvider
  readonly mode: Mode
  readonly pooling: Pooling
  readonly normalize: boolean
  /** Numbers per token that the card of the model promises. */
  readonly modelDimensions: number
  /** Numbers per vector: the first ones of those of the model. */
  readonly dimensions: number
  /** Tokens of a text that is run before the first request, 0 for none: what a first run costs is paid before a text waits for it. */
  readonly warmUpTokens: number
  /** `NativeGate.shared` */
  readonly gate: SharedArrayBuffer
}

/** What the runtime computes on, by the names that ONNX Runtime gives to its execution providers. */
export type ExecutionProvider = 'cpu' | 'cuda' | 'tensorrt' | 'webgpu' | 'dml' | 'coreml'

/** What is done with quantized weights: fold them to fp32, or multiply them with int8 activations. */
export type Mode = 'exact' | 'fast'

/** Which tokens make the vector: their mean, the first one, or the last one (models that read from left to right). */
export type Pooling = 'mean' | 'cls' | 'last'

export interface InferenceReady {
  /** Numbers per token that the graph gives. */
  readonly dimensions: number
}

/** What the tokenizer worker is opened with. */
export interface TokenizerSetup {
  readonly folder: string
  readonly maxTokens: number
}

export interface TokenizerReply {
  readonly rows: PackedRows
  /** Which of the texts had more tokens than fitted. */
  readonly truncated: readonly boolean[]
}
