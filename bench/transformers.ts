import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Embedder } from '../src/embed/embedder.ts'
import { embedAll, modelFolder, openEmbedder, passages } from './embedding-work.ts'
import { compare, type Figure, rounded } from './measure.ts'
import type { TransformersRound, TransformersSetup } from './transformers-child.ts'

/**
 * Processor time against transformers.js, with the same texts and the same weights in the same arithmetic. It is no dependency: install
 * `@huggingface/transformers` in a folder of its own and name that folder in `MILLRACE_BENCH_MODULES`, else the figure is left out.
 */
export async function embedTransformers(): Promise<Figure | undefined> {
  return measure('embed.transformers', 'batches of 32 in the order of the texts, options as they come', {
    batch: 32,
    session: {},
  })
}

/** The same at what is best for it: one text a run, one thread, no spinning. */
export async function embedTransformersBest(): Promise<Figure | undefined> {
  return measure('embed.transformers-best', 'one text a run, one thread', {
    batch: 1,
    session: { intraOpNumThreads: 1, interOpNumThreads: 1, extra: { session: { intra_op: { allow_spinning: '0' } } } },
  })
}

interface Use {
  readonly batch: number
  readonly session: TransformersSetup['session']
}

async function measure(figure: string, how: string, { batch, session }: Use): Promise<Figure | undefined> {
  const modules = process.env.MILLRACE_BENCH_MODULES
  const library = join(modules ?? '', 'node_modules', '@huggingface', 'transformers')
  if (!modules || !existsSync(library)) {
    console.error(`${figure} is left out: MILLRACE_BENCH_MODULES names no folder with @huggingface/transformers`)
    return undefined
  }
  const embedder = await openEmbedder({ workers: 1 })
  const texts = wholeTexts(embedder).slice(0, 96)
  const child = await start({ library, modelFolder, session })
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => embedAll(embedder, texts),
    baseline: () => roundOf(child, { texts, batch }),
    clock: 'cpu',
  })
  child.kill()
  await embedder.close()
  return {
    figure,
    value: rounded(speedup),
    unit: 'x',
    detail: `CPU time of ${texts.length} passages: transformers.js (${how}) ${rounded(baselineMs)} ms / the engine ${rounded(subjectMs)} ms`,
  }
}

/** Those that both read to their end: their limits differ. */
function wholeTexts({ countTokens, maxTokens }: Embedder): readonly string[] {
  return passages.filter((text) => (countTokens?.(text) ?? 0) <= maxTokens)
}

async function start(setup: TransformersSetup): Promise<ChildProcess> {
  const child = fork(new URL('./transformers-child.ts', import.meta.url), [JSON.stringify(setup)])
  await once(child, 'message')
  return child
}

/** Milliseconds of processor time in the other process. */
async function roundOf(child: ChildProcess, round: TransformersRound): Promise<number> {
  child.send(round)
  const [cpuMs] = (await once(child, 'message')) as [number]
  return cpuMs
}
