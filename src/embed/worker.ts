import { reasonOf, StreamError } from '../errors.ts'
import { NativeGate } from './native-gate.ts'
import { serveRequests } from './worker-port.ts'
import type { InferenceReady, InferenceSetup, PackedRows } from './worker-protocol.ts'

serveRequests<InferenceSetup, InferenceReady, PackedRows, Float32Array>(async (setup) => {
  const gate = new NativeGate(setup.gate)
  // Loading the library of the runtime is native code too, which the end of the process must not meet.
  const { openSession } = await gate
    .pass(() => import('./inference-session.ts'))
    .catch((cause) => {
      throw new StreamError('DEVICE_UNUSABLE', `ONNX Runtime cannot be loaded: ${reasonOf(cause)}`)
    })
  return openSession(setup, gate)
})
