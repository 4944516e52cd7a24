import type { StreamRecord } from '../../record.ts'
import type { Processor } from '../../topology/processor.ts'
import type { ProcessorNode, SinkNode } from '../../topology/topology.ts'

type AnyProcessor = Processor<unknown, unknown, unknown, unknown>

/** A processor node of one task, with its instance. */
export interface RunningProcessor {
  readonly kind: 'processor'
  readonly node: ProcessorNode
  readonly processor: AnyProcessor
  readonly children: readonly RunningNode[]
}

/** A SinkWriter of the user's, or the runtime's own for topics, which also has to know whose generation a record belongs to. */
export interface RecordWriter {
  write(record: StreamRecord<unknown, unknown>, signal: AbortSignal, generation: number): Promise<void>
  flush(): void
  close(): Promise<void>
}

/** A sink node of one task, with its writer. */
export interface RunningSink {
  readonly kind: 'sink'
  readonly node: SinkNode
  readonly writer: RecordWriter
}

export type RunningNode = RunningProcessor | RunningSink
