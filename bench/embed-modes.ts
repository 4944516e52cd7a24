import { embedAll, openEmbedder, passages } from './embedding-work.ts'
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

/** Processor time of `exact` mode against `fast` mode. */
export async function embedFast(): Promise<Figure> {
  const [exact, fast] = await Promise.all([
    openEmbedder({ mode: 'exact', workers: 1 }),
    openEmbedder({ mode: 'fast', workers: 1 }),
  ])
  const texts = passages.slice(0, 128)
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => embedAll(fast, texts),
    baseline: () => embedAll(exact, texts),
    clock: 'cpu',
  })
  await Promise.all([exact.close(), fast.close()])
  return {
    figure: 'embed.fast',
    value: rounded(speedup),
    unit: 'x',
    detail: `CPU time of ${texts.length} passages: exact ${rounded(baselineMs)} ms / fast ${rounded(subjectMs)} ms`,
  }
}
