import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type EmbeddedBroker, embeddedBroker } from '../src/connectors/embedded/broker.ts'
import type { ChangeEvent } from '../test/support/change-stream.ts'
import { produceEvents } from '../test/support/document-pipeline.ts'

const place = { topic: 'documents', partitions: 4 }

/** What a runtime needs to read the whole log as if for the first time. */
export interface LogRun {
  readonly broker: EmbeddedBroker
  readonly application: string
  readonly stateDirectory: string
}

/** Versions of documents in an embedded log on disk, to be read again and again. */
export class DocumentLog implements AsyncDisposable {
  readonly #folder: string
  readonly #broker: EmbeddedBroker
  #runs = 0

  private constructor(folder: string, broker: EmbeddedBroker) {
    this.#folder = folder
    this.#broker = broker
  }

  static async write(events: readonly ChangeEvent[]): Promise<DocumentLog> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'))
    const broker = embeddedBroker({ directory: join(folder, 'log') })
    await broker.open()
    await broker.createTopics([place])
    await produceEvents(broker, events, place)
    return new DocumentLog(folder, broker)
  }

  /** An application of its own, with an empty state. */
  nextRun(): LogRun {
    const application = `run-${this.#runs++}`
    return { broker: this.#broker, application, stateDirectory: join(this.#folder, application) }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#broker.close()
    await rm(this.#folder, { recursive: true })
  }
}
