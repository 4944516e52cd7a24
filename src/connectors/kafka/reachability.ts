import type { Clock } from '../../clock.ts'
import type { Logger } from '../../logger.ts'
import type { Cluster } from './internals.ts'

export interface ReachabilityOptions {
  /** Shown in the log: `kafka 127.0.0.1:9092`. */
  readonly name: string
  /** How many addresses are tried in turn. */
  readonly addresses: number
  readonly clock: Clock
  readonly logger: Logger
}

/** Tells once that no broker can be reached any more, and once that one can again; every attempt in between is a detail. */
export class Reachability {
  readonly #options: ReachabilityOptions
  #goneSince: number | undefined

  constructor(options: ReachabilityOptions) {
    this.#options = options
  }

  /** An attempt to connect has failed, the `retryCount` + first of one client. One of several brokers may be gone without harm. */
  failed(reason: string, retryCount: number): void {
    const { name, addresses, clock, logger } = this.#options
    if (this.#goneSince !== undefined || retryCount + 1 < addresses) return
    this.#goneSince = clock.now()
    // KafkaJS says first what it does about it.
    logger.warn(
      { reason: reason.replace(/^Failed to connect to seed broker, [^:]*: /, '') },
      `${name} cannot be reached; it is tried again`,
    )
  }

  /** Notices the connections of a cluster that are made after the brokers were gone. */
  watch({ brokerPool }: Cluster): void {
    const { connect, findBroker } = brokerPool
    brokerPool.connect = async () => {
      await connect.call(brokerPool)
      this.#connected()
    }
    brokerPool.findBroker = async (choice) => {
      const broker = await findBroker.call(brokerPool, choice)
      this.#connected()
      return broker
    }
  }

  #connected(): void {
    if (this.#goneSince === undefined) return
    const { name, clock, logger } = this.#options
    const awayMs = Math.max(0, clock.now() - this.#goneSince)
    this.#goneSince = undefined
    logger.info({ awayMs }, `${name} is back`)
  }
}
