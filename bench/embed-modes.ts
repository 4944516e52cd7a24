import type { Embedder } from '../src/embed/embedder.ts'
import { embedAll, openEmbedder, passages, questions } from './embedding-work.ts'
import { compare, type Figure, rounded } from './measure.ts'

/** Wall time of two workers against one: what the second core brings. */
export async function embedTwoWorkers(): Promise<Figure> {
  const [one, two] = await Promise.all([openEmbedder({ workers: 1 }), openEmbedder({ workers: 2 })])
  const texts = passages.slice(0, 128)
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => embedAll(two, texts),
    baseline: () => embedAll(one, texts),
  })
  await Promise.all([one.close(), two.close()])
  return {
    figure: 'embed.two-workers',
    value: rounded(speedup),
    unit: 'x',
    detail: `wall time of ${texts.length} passages: one worker ${rounded(baselineMs)} ms / two workers ${rounded(subjectMs)} ms`,
  }
}

/** Processor time of `exact` mode against `fast` mode, when full batches are run. */
export async function embedFast(): Promise<Figure> {
  const texts = passages.slice(0, 128)
  return compareModes('embed.fast', `${texts.length} passages in full batches`, (embedder) => embedAll(embedder, texts))
}

/** The same for questions that come one by one. */
export async function embedFastAlone(): Promise<Figure> {
  const texts = questions.slice(0, 128)
  return compareModes('embed.fast-alone', `${texts.length} questions, one after the other`, async (embedder) => {
    for (const text of texts) await embedAll(embedder, [text])
  })
}

async function compareModes(
  figure: string,
  what: string,
  work: (embedder: Embedder) => Promise<void>,
): Promise<Figure> {
  const [exact, fast] = await Promise.all([
    openEmbedder({ mode: 'exact', workers: 1 }),
    openEmbedder({ mode: 'fast', workers: 1 }),
  ])
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => work(fast),
    baseline: () => work(exact),
    clock: 'cpu',
    // The modes are a fifth apart, and a round is a twentieth off at times.
    rounds: 15,
  })
  await Promise.all([exact.close(), fast.close()])
  return {
    figure,
    value: rounded(speedup),
    unit: 'x',
    detail: `CPU time of ${what}: exact ${rounded(baselineMs)} ms / fast ${rounded(subjectMs)} ms`,
  }
}
