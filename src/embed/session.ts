import { InferenceSession } from 'onnxruntime-node'
import type { InferenceSetup } from './worker-protocol.ts'

/** A session with one thread, which is the one that calls it; the other cores belong to other sessions. */
export function createSession({ weights, mode }: Pick<InferenceSetup, 'weights' | 'mode'>): Promise<InferenceSession> {
  return InferenceSession.create(weights, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    logSeverityLevel: 3,
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        // Folds quantized weights to fp32 while loading. Without it the runtime multiplies with int8 activations.
        ...(mode === 'exact' ? { disable_quant_qdq: '1' } : {}),
      },
    },
  })
}
