import { kafka } from '../../src/connectors/kafka/source.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { noHeaders } from '../../src/record.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { StreamRuntime, type StreamRuntimeOptions } from '../../src/runtime/stream-runtime.ts'
import { string } from '../../src/serde.ts'
import { TopologyBuilder } from '../../src/topology/builder.ts'
import type { TaskId } from '../../src/topology/processor.ts'
import { RecordingSink } from './recording-sink.ts'

export interface RememberingOptions extends Partial<StreamRuntimeOptions> {
  readonly broker: Broker
  readonly stateDirectory: string
  /** Default `in`. */
  readonly topic?: string
}

/** An instance that remembers every key in a store of its task, and what its observer was told. */
export class RememberingInstance {
  readonly runtime: StreamRuntime
  /** Of each standby, when it looked last. */
  readonly lags = new Map<TaskId, number>()
  /** Records of all restores of a task. */
  readonly restored = new Map<TaskId, number>()
  /** When a record of a task was taken last, and the longest time between two. Milliseconds. */
  readonly pauses = new Map<TaskId, { readonly at: number; readonly longestMs: number }>()

  constructor({ topic = 'in', ...options }: RememberingOptions) {
    const builder = new TopologyBuilder()
    builder
      .stream('in', kafka({ topic, key: string, value: string }))
      .process(dedupe('unchanged'))
      .to('out', new RecordingSink())
    const observer = {
      standby: ({ task, lag }: { task: TaskId; lag: number }) => void this.lags.set(task, lag),
      restored: ({ task, records }: { task: TaskId; records: number }) =>
        void this.restored.set(task, (this.restored.get(task) ?? 0) + records),
      taken: (task: TaskId) => this.#taken(task),
    }
    const settings = { application: 'app', commitIntervalMs: 20, numStandbyReplicas: 1 }
    this.runtime = new StreamRuntime({ topology: builder.build(), observer, ...settings, ...options })
  }

  /** Sorted. */
  get running(): TaskId[] {
    const running = this.runtime.tasks.filter((task) => task.running)
    return running.map(({ id }) => id).sort()
  }

  get restoredRecords(): number {
    return [...this.restored.values()].reduce((sum, records) => sum + records, 0)
  }

  #taken(task: TaskId): void {
    const now = performance.now()
    const { at, longestMs } = this.pauses.get(task) ?? { at: now, longestMs: 0 }
    this.pauses.set(task, { at: now, longestMs: Math.max(longestMs, now - at) })
  }
}

/** Writes so many records with keys of their own to each partition. */
export async function writeKeys(
  broker: Broker,
  prefix: string,
  { topic = 'in', partitions, each }: { readonly topic?: string; readonly partitions: number; readonly each: number },
): Promise<void> {
  const producer = await broker.producer()
  const records = Array.from({ length: each * partitions }, (_, index) => ({
    topic,
    partition: index % partitions,
    key: Buffer.from(`${prefix} ${index}`),
    value: Buffer.from('value'),
    timestamp: 1,
    headers: noHeaders,
  }))
  for (let start = 0; start < records.length; start += 1_000) await producer.send(records.slice(start, start + 1_000))
  await producer.close()
}
