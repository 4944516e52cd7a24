import type { StreamRecord } from '../../src/record.ts'
import type { Lease, Sink, SinkWriter, TaskId } from '../../src/topology/processor.ts'

export interface SinkScript {
  readonly open?: () => Promise<void>
  readonly write?: (value: string, task: TaskId) => Promise<void>
  readonly closeWriter?: (task: TaskId) => Promise<void>
  readonly requestTimeoutMs?: number
  readonly fenced?: boolean
}

/** A sink that remembers what it was asked, and answers as the test says. */
export class RecordingSink implements Sink<string, string> {
  readonly name = 'recording'
  readonly requestTimeoutMs?: number
  readonly fenced: boolean
  /** `<task> <value>` of every write that began. */
  readonly written: string[] = []
  /** Tasks whose writers began to close. */
  readonly closing: TaskId[] = []
  readonly leases: (Lease | undefined)[] = []
  state: 'new' | 'opening' | 'open' | 'closed' = 'new'
  readonly #script: SinkScript

  constructor(script: SinkScript = {}) {
    this.#script = script
    this.fenced = script.fenced ?? false
    if (script.requestTimeoutMs !== undefined) this.requestTimeoutMs = script.requestTimeoutMs
  }

  async open(): Promise<void> {
    this.state = 'opening'
    await this.#script.open?.()
    this.state = 'open'
  }

  async close(): Promise<void> {
    this.state = 'closed'
  }

  writer(task: TaskId, lease?: Lease): SinkWriter<string, string> {
    this.leases.push(lease)
    return {
      write: ({ value }: StreamRecord<string, string>) => {
        this.written.push(`${task} ${value}`)
        return this.#script.write?.(value ?? '', task) ?? Promise.resolve()
      },
      flush: () => undefined,
      close: async () => {
        this.closing.push(task)
        await this.#script.closeWriter?.(task)
      },
    }
  }
}
