import { backlogMemory } from './backlog.ts'
import { cacheDiskHit, cacheMemory, cacheMemoryHit } from './cache.ts'
import { chunkerBlocks, chunkerChunks } from './chunker.ts'
import { embedColdStart } from './cold-start.ts'
import { commitCpu } from './commit.ts'
import { embedEventLoopDelay, embedPadding, embedPipeline, embedTokenizer } from './embed.ts'
import { embedFast, embedFastAlone, embedTwoWorkers } from './embed-modes.ts'
import { manifestBytes, manifestDecode, manifestEncode } from './manifest.ts'
import type { Figure } from './measure.ts'
import { metricsOverhead, tracingOverhead } from './metrics.ts'
import { peerConsumer, peerJavaStreams } from './peers/windowed-count.ts'
import { pipelineOverhead } from './pipeline.ts'
import { qdrantBatches } from './qdrant.ts'
import { restoreRate } from './restore.ts'
import { storeReadCache, storeReadDisk, storeReadOverlay, storeWrite } from './store.ts'
import { embedTransformers, embedTransformersBest } from './transformers.ts'

/** Every figure by its name; nothing where it cannot be measured. */
const figures: Readonly<Record<string, () => Promise<Figure | undefined>>> = {
  'backlog.memory': backlogMemory,
  'cache.memory-hit': cacheMemoryHit,
  'cache.disk-hit': cacheDiskHit,
  'cache.memory': cacheMemory,
  'chunker.blocks': chunkerBlocks,
  'chunker.chunks': chunkerChunks,
  'commit.cpu': commitCpu,
  'embed.cold-start': embedColdStart,
  'embed.pipeline': embedPipeline,
  'embed.fast': embedFast,
  'embed.fast-alone': embedFastAlone,
  'embed.two-workers': embedTwoWorkers,
  'embed.tokenizer': embedTokenizer,
  'embed.event-loop-delay-p99': embedEventLoopDelay,
  'embed.padding': embedPadding,
  'embed.transformers': embedTransformers,
  'embed.transformers-best': embedTransformersBest,
  'manifest.bytes': manifestBytes,
  'manifest.encode': manifestEncode,
  'manifest.decode': manifestDecode,
  'metrics.overhead': metricsOverhead,
  'peers.consumer': peerConsumer,
  'peers.java-streams': peerJavaStreams,
  'pipeline.overhead': pipelineOverhead,
  'qdrant.batches': qdrantBatches,
  'restore.rate': restoreRate,
  'store.read-overlay': storeReadOverlay,
  'store.read-cache': storeReadCache,
  'store.read-disk': storeReadDisk,
  'store.write-batch': storeWrite,
  'tracing.overhead': tracingOverhead,
}

/** `npm run -s bench [prefix]`: one line of JSON for each figure whose name starts with the prefix. */
const prefix = process.argv[2] ?? ''
const chosen = Object.entries(figures).filter(([name]) => name.startsWith(prefix))
if (chosen.length === 0) {
  console.error(`no figure starts with "${prefix}"; there are: ${Object.keys(figures).join(', ')}`)
  process.exitCode = 2
}
for (const [, measure] of chosen) {
  const figure = await measure()
  if (figure) console.log(JSON.stringify(figure))
}
