import type { BatchFormerOptions } from './batch-former.ts'
import { coresOfProcess } from './cores.ts'
import type { ExecutionProvider, Mode } from './worker-protocol.ts'

/** `auto` takes the first one that works of cuda, dml, webgpu and cpu. */
export type DeviceChoice = ExecutionProvider | 'auto'

/** How a device is kept busy. */
export type Batching = Required<
  Pick<BatchFormerOptions, 'maxBatchTokens' | 'maxPaddingTokens' | 'maxWaitMs' | 'windowTexts'>
>

const maxCpuWorkers = 8
const onCpu: Batching = { maxBatchTokens: 512, maxPaddingTokens: 16, maxWaitMs: 20, windowTexts: 256 }
/** Multiplying with int8 activations gains most from few rows: 256 tokens are 3 % faster than 512. */
const onCpuFast: Batching = { ...onCpu, maxBatchTokens: 256 }
/** Fast enough that starting a run costs more than the tokens of a small batch: fewer, larger ones, and time to let them grow. */
const onAccelerator: Batching = { maxBatchTokens: 16_384, maxPaddingTokens: 64, maxWaitMs: 50, windowTexts: 1_024 }

const fixes: Readonly<Record<ExecutionProvider, string>> = {
  cpu: 'Install onnxruntime-node again: for this platform, and in one version only (`overrides` in package.json). With --permission, give --allow-addons.',
  cuda: 'Install CUDA 12, cuDNN 9 and the CUDA library of onnxruntime-node (ONNXRUNTIME_NODE_INSTALL=cuda12), or choose the device cpu or auto.',
  tensorrt: 'Install TensorRT and the CUDA library of onnxruntime-node, or choose the device cuda, cpu or auto.',
  webgpu: 'Install a Vulkan, Metal or Direct3D 12 driver, or choose the device cpu or auto.',
  dml: 'DirectML needs Windows and a Direct3D 12 driver; choose the device cpu or auto elsewhere.',
  coreml: 'Core ML needs macOS; choose the device cpu or auto elsewhere.',
}

/**
 * The providers to try, one after the other: a list that is given to the runtime throws when the first one is missing.
 *
 * `auto` leaves two out: TensorRT builds its engines anew for minutes, Core ML may compute in half precision.
 */
export function providersFor(choice: DeviceChoice): readonly [ExecutionProvider, ...ExecutionProvider[]] {
  return choice === 'auto' ? ['cuda', 'dml', 'webgpu', 'cpu'] : [choice]
}

export const deviceChoices: readonly DeviceChoice[] = ['auto', 'cpu', 'cuda', 'tensorrt', 'webgpu', 'dml', 'coreml']

/** Sessions, each in a worker thread. */
export function workersFor(provider: ExecutionProvider): number {
  return provider === 'cpu' ? Math.min(coresOfProcess(), maxCpuWorkers) : 1
}

export function batchingFor(provider: ExecutionProvider, mode: Mode = 'exact'): Batching {
  if (provider !== 'cpu') return onAccelerator
  return mode === 'fast' ? onCpuFast : onCpu
}

/** What to do when a device cannot be used. */
export function fixFor(provider: ExecutionProvider): string {
  return fixes[provider]
}
