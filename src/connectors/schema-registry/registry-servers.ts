import type { Clock } from '../../clock.ts'
import { isStreamError, StreamError } from '../../errors.ts'
import type { HttpConnection, Method, RequestOptions } from '../../http-connection.ts'
import type { Logger } from '../../logger.ts'
import { errorOf } from './answers.ts'

interface RegistryServersOptions {
  /** One for each server, in the order in which they are asked. */
  readonly connections: readonly HttpConnection[]
  readonly logger: Logger
  readonly clock: Clock
}

/** A broker takes no schema that is nearly so long: what gives more is no registry. */
const maxAnswerBytes = 16 * 1024 * 1024

/** The servers of one registry: they have the same schemas. The one that answered last is asked, and when it cannot answer the next. */
export class RegistryServers {
  readonly #connections: readonly HttpConnection[]
  readonly #logger: Logger
  readonly #clock: Clock
  /** Place of the server that is asked first. */
  #first = 0

  constructor({ connections, logger, clock }: RegistryServersOptions) {
    if (connections.length === 0) throw new StreamError('CONFIG_INVALID', 'the schema registry has no URL')
    this.#connections = connections
    this.#logger = logger
    this.#clock = clock
  }

  /** Where they are, for messages. */
  get address(): string {
    return this.#connections.map(({ address }) => address).join(', ')
  }

  /** The text of an answer. Throws what the last server says when none can answer now, and any other refusal at once. */
  async ask(method: Method, path: string, options: RequestOptions): Promise<string> {
    const first = this.#first
    let failure: unknown
    for (let turn = 0; turn < this.#connections.length; turn++) {
      const at = (first + turn) % this.#connections.length
      const connection = this.#connections[at]
      if (!connection) break
      try {
        const text = await this.#askOne(connection, method, path, options)
        if (at !== first) this.#logger.info({ address: connection.address }, 'another schema registry is asked now')
        this.#first = at
        return text
      } catch (error) {
        if (!isStreamError(error) || error.reaction !== 'retry') throw error
        failure = error
      }
    }
    throw failure
  }

  async #askOne(connection: HttpConnection, method: Method, path: string, options: RequestOptions): Promise<string> {
    const answer = await connection.request(method, path, { ...options, maxAnswerBytes })
    if (answer.status !== 200) throw errorOf(answer, connection.address, this.#clock.now())
    return answer.text
  }
}
