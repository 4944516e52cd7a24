export { type CacheImport, exportCache, importCache } from './cache/cache-file.ts'
export { type CacheOptions, cached } from './cache/cached.ts'
export type { CachedEmbedder } from './cache/cached-embedder.ts'
export type { CacheStats } from './cache/tiers.ts'
export { createEmbedder, type EmbedCallOptions, type OpenEmbedder } from './create-embedder.ts'
export { embed } from './embed.ts'
export type { Embedder, EmbedderId, EmbedderStats, EmbedOptions } from './embedder.ts'
export type { DeviceChoice } from './execution-provider.ts'
export { type HashOptions, hash } from './hash.ts'
export type { Measurement } from './models/measure.ts'
export { type Constraints, type Optimized, type OptimizeOptions, optimizeForConstraints } from './models/optimize.ts'
export { type Preset, presets } from './models/presets.ts'
export { type ModelReport, type Quality, type VerifyOptions, verifyModel } from './models/verify.ts'
export type { Precision } from './models/weights.ts'
export { onnx } from './onnx.ts'
export type { OnnxOptions } from './onnx-options.ts'
export { type OllamaOptions, ollama } from './remote/ollama.ts'
export { type OpenAiCompatibleOptions, openAiCompatible } from './remote/open-ai-compatible.ts'
export type { RemoteOptions } from './remote/options.ts'
export { type TeiOptions, tei } from './remote/tei.ts'
export {
  type Clustering,
  type CompareOptions,
  compareAll,
  compareToAll,
  cosine,
  dot,
  euclidean,
  type KMeansOptions,
  kMeans,
  type Metric,
  manhattan,
  type Neighbour,
  normalize,
  pairwise,
  topK,
  type Vector,
} from './similarity/index.ts'
export { type TokenLimit, tokenLimit } from './token-limit.ts'
