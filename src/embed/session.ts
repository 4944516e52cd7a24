import { env, InferenceSession } from 'onnxruntime-node'
import type { InferenceSetup } from './worker-protocol.ts'

/** A session with one thread, which is the one that calls it; the other cores belong to other sessions. */
export function createSession(setup: Pick<InferenceSetup, 'weights' | 'mode' | 'provider'>): Promise<InferenceSession> {
  // What the runtime would print about a device that is missing is in the error that it throws.
  if (setup.provider !== 'cpu') env.logLevel = 'fatal'
  return InferenceSession.create(setup.weights, {
    executionProviders: [setup.provider],
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    executionMode: 'sequential',
    graphOptimizationLevel: 'all',
    // What it would print as an error is in the error that it throws.
    logSeverityLevel: 4,
    extra: {
      session: {
        intra_op: { allow_spinning: '0' },
        // Folds quantized weights to fp32 while loading. Without it the runtime multiplies with int8 activations.
        ...(setup.mode === 'exact' ? { disable_quant_qdq: '1' } : {}),
      },
    },
  })
}
