export { embed } from './embed.ts'
export type { Embedder, EmbedderId, EmbedderStats, EmbedOptions } from './embedder.ts'
export { type HashOptions, hash } from './hash.ts'
export { type OnnxOptions, onnx } from './onnx.ts'
