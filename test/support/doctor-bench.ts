import type { Report } from '../../src/cli/doctor/examine.ts'
import type { Machine } from '../../src/cli/doctor/machine.ts'
import { diagnose } from '../../src/cli/doctor.ts'
import { documentTopology } from '../../src/cli/documents.ts'
import { systemClock } from '../../src/clock.ts'
import { parseSettings, type RuntimeSettingsInput } from '../../src/config.ts'
import { type EmbeddedBroker, embeddedBroker } from '../../src/connectors/embedded/broker.ts'
import { type QdrantOptions, qdrant } from '../../src/connectors/qdrant/sink.ts'
import { type Embedder, hash } from '../../src/embed/index.ts'
import { noHeaders } from '../../src/record.ts'
import type { CommitOffset, TopicSpec } from '../../src/runtime/broker.ts'
import type { Topology } from '../../src/topology/topology.ts'
import { type QdrantDouble, startQdrantDouble } from './qdrant-double.ts'
import { type TemporaryDirectory, temporaryDirectory } from './temporary-directory.ts'

/** What a pipeline needs around it, all of it in order until a test breaks something. */
export class DoctorBench implements AsyncDisposable {
  readonly log: EmbeddedBroker
  qdrant: QdrantDouble
  readonly folder: TemporaryDirectory
  readonly #ends: (() => Promise<void>)[] = []
  settings: RuntimeSettingsInput
  embedder: Embedder = hash({ dimensions: 8 })
  machine: Partial<Machine> = {}
  index: Partial<QdrantOptions> = {}

  private constructor(log: EmbeddedBroker, qdrant: QdrantDouble, folder: TemporaryDirectory) {
    this.log = log
    this.qdrant = qdrant
    this.folder = folder
    this.settings = { application: 'app', stateDirectory: folder.path }
  }

  /** With a topic `documents` of four partitions, and what else there is to be. */
  static async open(topics: readonly TopicSpec[] = [{ topic: 'documents', partitions: 4 }]): Promise<DoctorBench> {
    const log = embeddedBroker()
    await log.open()
    await log.createTopics(topics)
    return new DoctorBench(log, await startQdrantDouble(), await temporaryDirectory())
  }

  /** The pipeline of `millrace index`, unless a test has another one. */
  ownTopology: Topology | undefined

  get topology(): Topology {
    if (this.ownTopology) return this.ownTopology
    const index = qdrant({ collection: 'docs', url: this.qdrant.url, ...this.index })
    return documentTopology(index, this.embedder, { topic: 'documents' })
  }

  /** What doctor says. */
  diagnose(): Promise<readonly Report[]> {
    const machine: Machine = {
      clock: systemClock,
      nodeVersion: '24.1.0',
      memoryBytes: 2 ** 33,
      freeBytes: async () => 2 ** 40,
      lockHolder: async () => undefined,
      ...this.machine,
    }
    const program = { topology: this.topology, settings: parseSettings(this.settings) }
    const openLog = async () => {
      const client = this.log.connect()
      await client.open()
      return client
    }
    return diagnose({ machine, program, openLog }, 30_000)
  }

  async commit(...offsets: readonly CommitOffset[]): Promise<void> {
    const producer = await this.log.producer({ transactionalId: 'test' })
    const transaction = await producer.begin()
    await transaction.sendOffsets('app', offsets)
    await transaction.commit()
    await producer.close()
  }

  async send(
    topic: string,
    { timestamp = 0, value }: { timestamp?: number; value?: string | Uint8Array },
  ): Promise<void> {
    const producer = await this.log.producer()
    const bytes = value === undefined ? null : Buffer.from(value)
    await producer.send([{ topic, partition: 0, key: null, value: bytes, timestamp, headers: noHeaders }])
    await producer.close()
  }

  /** A request to Qdrant behind the back of the pipeline. */
  async ask(method: string, path: string, body: object): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const { ok, status } = await fetch(`${this.qdrant.url}${path}`, { method, headers, body: JSON.stringify(body) })
    if (!ok) throw new Error(`${method} ${path}: ${status}`)
  }

  /** Runs at the end of the test. */
  later(end: () => Promise<void>): void {
    this.#ends.push(end)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const end of this.#ends) await end()
    await this.log.close()
    await this.qdrant.close()
    await this.folder[Symbol.asyncDispose]()
  }
}

/** All but what is in order. */
export function complaintsOf(reports: readonly Report[]): readonly Report[] {
  return reports.filter(({ level }) => level !== 'ok')
}
