import type { Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import type { ByteStore } from '../../state/store.ts'
import { Cleaner } from './cleaner.ts'
import { Group } from './group.ts'
import { EmbeddedLog } from './log.ts'
import { TransactionalProducers } from './transactions.ts'

export interface HostOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly cleanIntervalMs: number
}

/** What plays the part of the server: the log and everything that its clients share. */
export class Host {
  readonly log: EmbeddedLog
  readonly cleaner: Cleaner
  readonly transactionalProducers: TransactionalProducers
  readonly #options: HostOptions
  readonly #groups = new Map<string, Group>()

  private constructor(log: EmbeddedLog, options: HostOptions) {
    this.log = log
    this.cleaner = new Cleaner(log, { ...options, intervalMs: options.cleanIntervalMs })
    this.transactionalProducers = new TransactionalProducers({ log, clock: options.clock })
    this.#options = options
  }

  static async open(store: ByteStore, options: HostOptions): Promise<Host> {
    return new Host(await EmbeddedLog.open(store), options)
  }

  group(name: string): Group {
    const group = this.#groups.get(name) ?? new Group(name, { log: this.log, ...this.#options })
    this.#groups.set(name, group)
    return group
  }

  async close(): Promise<void> {
    for (const group of this.#groups.values()) group.close()
    await this.cleaner.stop()
    await this.log.close()
  }
}
