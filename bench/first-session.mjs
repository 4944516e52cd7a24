// A process that loads weights into the runtime alone and says so, for the figure of the cold start: with the options of `src/embed/session.ts`.
import { InferenceSession } from 'onnxruntime-node'

const [, , weights] = process.argv
const session = await InferenceSession.create(weights, {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 4,
  extra: { session: { intra_op: { allow_spinning: '0' }, disable_quant_qdq: '1' } },
})
console.log(session.inputNames.length)
await session.release()
