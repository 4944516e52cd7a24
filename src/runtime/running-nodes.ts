import type { Processor, SinkWriter } from '../topology/processor.ts'
import type { ProcessorNode, SinkNode } from '../topology/topology.ts'

type AnyProcessor = Processor<unknown, unknown, unknown, unknown>

/** A processor node of one task, with its instance. */
export interface RunningProcessor {
  readonly kind: 'processor'
  readonly node: ProcessorNode
  readonly processor: AnyProcessor
  readonly children: readonly RunningNode[]
}

/** A sink node of one task, with its writer. */
export interface RunningSink {
  readonly kind: 'sink'
  readonly node: SinkNode
  readonly writer: SinkWriter<unknown, unknown>
}

export type RunningNode = RunningProcessor | RunningSink
