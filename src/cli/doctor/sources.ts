import type { Broker } from '../../runtime/broker.ts'
import { closeAll } from '../../runtime/close-all.ts'
import { pipelinesOf } from '../../runtime/resources/pipelines.ts'
import { resourcesOf, sinksOf } from '../../runtime/resources/resources.ts'
import { lookAtTopics } from '../../runtime/topics/topics.ts'
import { isVectorIndex } from '../../topology/graph.ts'
import type { Resource } from '../../topology/processor.ts'
import type { Topology } from '../../topology/topology.ts'
import type { Given } from './check.ts'
import type { Sources } from './examine.ts'
import type { Machine } from './machine.ts'
import { newestRecords } from './newest-records.ts'

export interface Subject {
  readonly machine: Machine
  readonly program?: Given['program'] | undefined
  /** Opens the log. Absent: there is none to look at. */
  readonly openLog?: (() => Promise<Broker>) | undefined
  /** Where the brokers of the log say that they are. Absent: it has none. */
  readonly addresses?: (() => Promise<readonly string[]>) | undefined
}

/** Opens what checks ask for, once, and closes it in the end. */
export class SubjectSources implements AsyncDisposable {
  readonly sources: Sources
  readonly #closers: (() => Promise<void>)[] = []
  #isClosed = false

  constructor({ machine, program, openLog, addresses }: Subject) {
    this.sources = {
      machine: async () => machine,
      ...(openLog && { log: () => this.#opened(openLog()) }),
      ...(addresses && {
        addresses: async (given) => {
          // Who is not let in hears of it once.
          await given('log')
          return addresses()
        },
      }),
      ...(program && {
        program: async () => program,
        models: () => this.#openModels(program.topology),
        indexes: async (given) => {
          const isOpen = await given('models').then(
            () => true,
            () => false,
          )
          return indexesOf(program.topology, isOpen)
        },
      }),
      ...(program &&
        openLog && {
          topics: async (given) => lookAtTopics(program.topology, program.settings, await given('log')),
          newest: async (given) => newestRecords(await given('log'), program, await given('topics')),
        }),
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true
    await closeAll(this.#closers.splice(0).reverse())
  }

  async #openModels(topology: Topology): Promise<readonly Resource[]> {
    const resources = [...resourcesOf(topology)].map((resource) => resource.behind ?? resource)
    for (const resource of resources) {
      await resource.open()
      await this.#closeLater(() => resource.close())
    }
    return resources
  }

  async #opened(opening: Promise<Broker>): Promise<Broker> {
    const broker = await opening
    await this.#closeLater(() => broker.close())
    return broker
  }

  /** What was opened after its time is closed at once: nobody waits for it any more. */
  async #closeLater(close: () => Promise<void>): Promise<void> {
    if (this.#isClosed) await close()
    else this.#closers.push(close)
  }
}

function indexesOf(topology: Topology, isOpen: boolean): Given['indexes'] {
  const pipelineOf = isOpen ? pipelinesOf(topology) : () => undefined
  return [...sinksOf(topology)].flatMap(([sink, node]) =>
    isVectorIndex(sink) ? [{ index: sink, pipeline: pipelineOf(node) }] : [],
  )
}
