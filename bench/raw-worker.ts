import { Tensor } from 'onnxruntime-node'
import { createSession } from '../src/embed/session.ts'
import { serveRequests } from '../src/embed/worker-port.ts'

/** Batches of one shape that are run one after the other. */
export interface RawRuns {
  readonly rows: number
  readonly width: number
  readonly runs: number
}

/** The runtime alone, with the session options of the embedder: nothing is tokenized, padded, pooled or sent. */
await serveRequests<string, undefined, RawRuns, undefined>(async (weights) => {
  const session = await createSession({ weights, mode: 'exact', provider: 'cpu' })
  return {
    ready: undefined,
    async handle({ rows, width, runs }) {
      const input = (value: bigint) => new Tensor('int64', new BigInt64Array(rows * width).fill(value), [rows, width])
      const feeds = { input_ids: input(2003n), attention_mask: input(1n), token_type_ids: input(0n) }
      for (let run = 0; run < runs; run++) await session.run(feeds)
      return { message: undefined, transfer: [] }
    },
    close: () => session.release(),
  }
})
