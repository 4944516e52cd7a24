import { fileURLToPath } from 'node:url'
import type { Embedder } from '../src/embed/embedder.ts'
import { onnx } from '../src/embed/onnx.ts'
import type { OnnxOptions } from '../src/embed/onnx-options.ts'
import { retrievalSet } from '../test/support/embed-fixtures.ts'

export const modelName = 'all-MiniLM-L6-v2'
export const modelFolder = fileURLToPath(new URL(`../models/${modelName}/`, import.meta.url))
const retrieval = retrievalSet()
export const passages: readonly string[] = retrieval.passages.map(({ text }) => text)
export const questions: readonly string[] = retrieval.queries.map(({ q }) => q)

/** Documents of sixteen chunks that are embedded at the same time: what partitions of a busy process ask for. */
const textsPerCall = 16
const never = new AbortController().signal

export async function openEmbedder(options: Partial<OnnxOptions>): Promise<Embedder> {
  const embedder = onnx({ model: modelName, ...options })
  await embedder.open()
  return embedder
}

export async function embedAll(embedder: Embedder, texts: readonly string[]): Promise<void> {
  const calls: Promise<unknown>[] = []
  for (let at = 0; at < texts.length; at += textsPerCall)
    calls.push(embedder.embed(texts.slice(at, at + textsPerCall), never))
  await Promise.all(calls)
}
