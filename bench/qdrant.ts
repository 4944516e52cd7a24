import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { qdrant } from '../src/connectors/qdrant/sink.ts'
import type { Point } from '../src/model.ts'
import { change, payload, point, upsert } from '../test/support/points.ts'
import { compare, type Figure, rounded } from './measure.ts'

const dimensions = 384
const documents = 512
const passage = 'Keeps a vector index equal to documents that change. '.repeat(14)

const points = Array.from({ length: documents }, (_, i): Point => {
  const key = `guide/chapter-${i}.md`
  const vector = Float32Array.from(
    { length: dimensions },
    (_, k) => Math.sin(i * dimensions + k) / Math.sqrt(dimensions / 2),
  )
  return { ...point(key, `${i}`), vector, payload: payload(key, `${i} ${passage}`) }
})

/** One point a document, one request on its way: what waits is sent together, or one by one. */
export async function qdrantBatches(): Promise<Figure> {
  const server = new Worker(new URL('./qdrant-worker.ts', import.meta.url))
  const [url]: string[] = await once(server, 'message')
  const open = async (collection: string, maxRequestPoints: number) => {
    const index = qdrant({ collection, maxRequestPoints, ...(url !== undefined && { url }) })
    await index.open({ id: 'bench', dimensions })
    return index
  }
  const batched = await open('batched', 256)
  const single = await open('single', 1)
  const signal = new AbortController().signal
  const writeAll = async (index: typeof batched) => {
    const writer = index.writer('0_0')
    await Promise.all(points.map((each) => writer.write(change(each.payload._millrace.doc, upsert(each)), signal)))
    await writer.close()
  }
  const { speedup, subjectMs, baselineMs } = await compare({
    subject: () => writeAll(batched),
    baseline: () => writeAll(single),
    rounds: 5,
  })
  await batched.close()
  await single.close()
  await server.terminate()
  return {
    figure: 'qdrant.batches',
    value: rounded(speedup),
    unit: 'x',
    detail: `${documents} documents of one point: batches of 256 (${rounded(subjectMs)} ms) against a request each (${rounded(baselineMs)} ms), server in a thread of its own`,
  }
}
