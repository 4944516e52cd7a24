export { type Clustering, type KMeansOptions, kMeans } from './k-means.ts'
export type { Vector } from './kernels.ts'
export { type CompareOptions, compareAll, compareToAll, type Metric, type Neighbour, pairwise, topK } from './many.ts'
export { cosine, dot, euclidean, manhattan, normalize } from './measures.ts'
