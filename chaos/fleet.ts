/** All instances and the broker: does what the schedule says, and makes everything whole again at the end. */
import { setTimeout as pause } from 'node:timers/promises'
import type { KafkaServer } from '../test/support/kafka-server.ts'
import type { QdrantDouble } from '../test/support/qdrant-double.ts'
import { Instance, type InstanceOptions } from './instance.ts'
import type { Journal } from './journal.ts'
import { type BrokerEvent, type ChaosEvent, type IndexEvent, type InstanceEvent, sentenceOf } from './schedule.ts'

export interface FleetOptions extends Omit<InstanceOptions, 'brokers' | 'qdrantUrl'> {
  readonly kafka: KafkaServer
  readonly double: QdrantDouble
  readonly initial: readonly string[]
  readonly journal: Journal
}

const points = /\/points/

export class Fleet {
  readonly #options: FleetOptions
  readonly #instances = new Map<string, Instance>()
  readonly #present: Set<string>
  #brokerSteps: Promise<void> = Promise.resolve()
  readonly #counts = { kills: 0, freezes: 0, brokerRestarts: 0, terminations: 0, additions: 0 }

  constructor(options: FleetOptions) {
    this.#options = options
    this.#present = new Set(options.initial)
  }

  get counts(): Readonly<Record<'kills' | 'freezes' | 'brokerRestarts' | 'terminations' | 'additions', number>> {
    return this.#counts
  }

  /** Resolves when all first instances say that they run. */
  async start(deadlineMs: number): Promise<void> {
    for (const name of this.#present) this.#instance(name).start()
    const deadline = Date.now() + deadlineMs
    while (![...this.#present].every((name) => this.#instance(name).log.includes('the runtime is running'))) {
      if (Date.now() > deadline) throw new Error(`not all instances run after ${deadlineMs} ms; see their logs`)
      await pause(50)
    }
  }

  /** Begins what an event says; it goes on beside the next ones. */
  perform(event: ChaosEvent): void {
    if (event.kind === 'broker') this.#restartBroker(event)
    else if (event.kind === 'index' || event.kind === 'index-down') this.#hurtIndex(event)
    else this.#hurtInstance(event)
  }

  #hurtInstance(event: InstanceEvent): void {
    const instance = this.#instance(event.instance)
    switch (event.kind) {
      case 'kill':
        this.#counts.kills++
        instance.kill(event.downMs)
        break
      case 'terminate':
        this.#counts.terminations++
        instance.terminate(event.downMs)
        break
      case 'freeze':
        this.#counts.freezes++
        instance.freeze(event.forMs)
        break
      case 'remove':
        this.#counts.terminations++
        this.#present.delete(event.instance)
        instance.terminate()
        break
      case 'add':
        this.#counts.additions++
        this.#present.add(event.instance)
        instance.start()
    }
  }

  #restartBroker({ how, downMs }: BrokerEvent): void {
    const { kafka, journal } = this.#options
    this.#counts.brokerRestarts++
    this.#brokerSteps = this.#brokerSteps.then(async () => {
      journal.add(`the broker goes away (${how})`)
      await kafka[how]()
      await pause(downMs)
      await kafka.restart()
      journal.add('the broker is back')
    })
  }

  #hurtIndex(event: IndexEvent): void {
    const { double, journal } = this.#options
    journal.add(sentenceOf(event))
    if (event.kind === 'index') {
      const { fault, times, on } = event
      double.faults.add(fault, { times, ...(on === 'all' && { at: points }) })
      return
    }
    double.faults.add({ kind: 'status', status: 503 }, { times: Number.POSITIVE_INFINITY, at: /./ })
    setTimeout(() => {
      double.faults.clear()
      journal.add('the index answers again')
    }, event.forMs)
  }

  /** All faults off: the broker is there, the index works, and every instance that belongs to the fleet is started. */
  async heal(): Promise<void> {
    const { double, journal } = this.#options
    await this.#brokerSteps
    await Promise.all([...this.#instances.values()].map(({ settled }) => settled))
    double.faults.clear()
    journal.add(`all faults are off; ${[...this.#present].join(', ')} are there`)
  }

  /** Tells all to stop at once; resolves when all have exited. */
  async stop(): Promise<void> {
    for (const instance of this.#instances.values()) instance.terminate()
    await Promise.all([...this.#instances.values()].map(({ settled }) => settled))
  }

  dispose(): void {
    for (const instance of this.#instances.values()) instance.dispose()
  }

  #instance(name: string): Instance {
    const known = this.#instances.get(name)
    if (known) return known
    const { kafka, double, ...options } = this.#options
    const instance = new Instance(name, {
      ...options,
      brokers: kafka.address,
      qdrantUrl: double.url,
    })
    this.#instances.set(name, instance)
    return instance
  }
}
