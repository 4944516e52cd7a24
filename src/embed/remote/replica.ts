import { Backoff } from '../../backoff.ts'
import type { Cancel, Clock } from '../../clock.ts'
import { isStreamError, StreamError, toStreamError } from '../../errors.ts'
import type { Logger } from '../../logger.ts'
import type { Device } from '../engine.ts'
import type { EmbeddingClient } from './client.ts'
import { failureOf, isOverload, mayBeTheTexts } from './failures.ts'
import { differenceOf, type Identity } from './identity.ts'

export interface ReplicaOptions {
  readonly clock: Clock
  readonly logger: Logger
  readonly random: () => number
}

/** The attempts for one batch. */
interface Trial {
  readonly backoff: Backoff
  /** The batch is one text. */
  readonly isAlone: boolean
}

interface Absence {
  readonly error: StreamError
  /** It is too early to ask again. */
  isPausing: boolean
}

/** Enough for a connection that broke, or a server that hiccups. */
const attempts = 3
/** A server with too much to do is all right: it gets ten seconds or so, or as long as it asks for. */
const attemptsOnOverload = 8
const firstAbsenceMs = 1_000
const longestAbsenceMs = 60_000

/**
 * One of the servers that have the model: a circuit breaker around its requests.
 *
 * ```
 *          a request fails for good, and so does the check
 *   in use ------------------------------------------------> left out, nobody asks
 *     ^                                                        |   ^
 *     | it passes the check                     1 s to 1 min   v   | it does not answer, or is another model
 *     +------------------------------------------------------ the check
 * ```
 *
 * The check: the server says which model it has, and embeds the golden text. It must be the model that was opened.
 */
export class Replica implements Device<string> {
  readonly #client: EmbeddingClient
  readonly #options: ReplicaOptions
  #tokens = 0
  #expected: Identity | undefined
  #absence: Absence | undefined
  #absences = 0
  #cancelAlarm: Cancel | undefined
  #checking: Promise<void> | undefined
  /** Batches that wait because the server had too much to do. */
  #postponed = 0

  constructor(client: EmbeddingClient, options: ReplicaOptions) {
    this.#client = client
    this.#options = options
  }

  get who(): string {
    return this.#client.who
  }

  get isUsable(): boolean {
    return this.#absence === undefined && !this.#client.signal.aborted
  }

  get isOverloaded(): boolean {
    return this.#postponed > 0
  }

  /** Tokens of the batches that it has run, as far as it tells. */
  get tokens(): number {
    return this.#tokens
  }

  /** Asks the server who it is, several times if it does not answer. */
  async introduce(): Promise<Identity> {
    const backoff = this.#backoff()
    for (;;) {
      try {
        return await this.#client.identify()
      } catch (error) {
        await this.#waitFor(error, { backoff, isAlone: false })
      }
    }
  }

  /** Takes part from now on, as long as it is the same model. */
  join(expected: Identity): void {
    this.#expected = expected
  }

  /**
   * Gives it no batches for a while: 1 s, and up to a minute if it happens again. Gives the error for those who wait. What only a person
   * can mend at the start may pass later, when servers are replaced; a key that is refused does not.
   */
  leaveOut(error: unknown): StreamError {
    if (this.#absence?.isPausing) return this.#absence.error
    const { clock, logger, random } = this.#options
    const given = toStreamError(error, 'EMBED_FAILED', `${this.who} fails`)
    const passes = given.reaction === 'retry' || given.code === 'EMBED_DENIED'
    const reason = passes ? given : new StreamError('EMBED_FAILED', given.fact, { fix: given.fix, cause: given })
    const longestMs = Math.min(longestAbsenceMs, firstAbsenceMs * 2 ** this.#absences++)
    const absenceMs = Math.round(longestMs * (0.5 + random() / 2))
    const absence: Absence = { error: reason, isPausing: true }
    this.#absence = absence
    if (this.#client.signal.aborted) return reason
    this.#cancelAlarm?.()
    this.#cancelAlarm = clock.after(absenceMs, () => {
      absence.isPausing = false
      void this.open().catch(() => undefined)
    })
    logger.warn({ server: this.who, absenceMs, error: reason.message }, 'an embedding server is left out')
    return reason
  }

  /** Ends an absence if the server is in order; throws why it is not, also when it is too early to ask again. */
  async open(): Promise<void> {
    const absence = this.#absence
    if (!absence) return
    if (absence.isPausing) throw absence.error
    try {
      await this.#check()
    } catch (error) {
      throw this.leaveOut(error)
    }
    if (this.#absence !== absence) return
    this.#absence = undefined
    this.#absences = 0
    this.#options.logger.info({ server: this.who }, 'the embedding server is in use again')
  }

  /** Rejects with EMBED_FAILED or EMBED_DENIED; if it is usable then, the texts are behind it. */
  async run(texts: readonly string[]): Promise<Float32Array> {
    const expected = this.#expected
    if (!expected) throw new StreamError('ILLEGAL_STATE', `${this.who} has not joined`)
    const backoff = this.#backoff()
    for (;;) {
      if (this.#absence) throw this.#absence.error
      try {
        const { vectors, tokens } = await this.#client.embed(texts, expected)
        this.#tokens += tokens
        return vectors
      } catch (error) {
        await this.#consider(error, { backoff, isAlone: texts.length === 1 })
      }
    }
  }

  /** Ends what is under way. */
  close(): void {
    this.#cancelAlarm?.()
    this.#client.close()
  }

  /**
   * Waits until it is worth trying again. Throws when it is not: the texts are behind it if the server does something else well then, and
   * otherwise the server is left out.
   */
  async #consider(error: unknown, trial: Trial): Promise<void> {
    this.#client.signal.throwIfAborted()
    const failure = failureOf(error)
    // Smaller parts of the batch will come.
    if ((failure.isRefusal || failure.isMisfit) && !trial.isAlone) throw error
    if (!failure.isRefusal) {
      if (await this.#hasWaited(error, trial)) return
      if (!mayBeTheTexts(failure)) throw this.leaveOut(error)
    }
    await this.#check().catch((reason: unknown) => {
      throw this.leaveOut(reason)
    })
    throw error
  }

  #hasWaited(error: unknown, trial: Trial): Promise<boolean> {
    return this.#waitFor(error, trial).then(
      () => true,
      () => false,
    )
  }

  /** Throws the error when it has come often enough. */
  async #waitFor(error: unknown, { backoff, isAlone }: Trial): Promise<void> {
    const failure = failureOf(error)
    const most = isOverload(failure) ? attemptsOnOverload : attempts
    // A timeout has taken its time already, and a smaller batch may be done in it.
    const isLast = backoff.failures + 1 >= most || failure.isLasting || (failure.isTimeout && !isAlone)
    if (!isStreamError(error) || error.reaction !== 'retry' || isLast) throw error
    const isPostponed = isOverload(failure)
    if (isPostponed) this.#postponed++
    try {
      await backoff.wait(error, this.#client.signal)
    } finally {
      if (isPostponed) this.#postponed--
    }
  }

  /** Throws when the server is not in order, or is not the one that was opened. One check serves all who need one. */
  #check(): Promise<void> {
    this.#checking ??= this.#identifyAgain().finally(() => {
      this.#checking = undefined
    })
    return this.#checking
  }

  async #identifyAgain(): Promise<void> {
    const found = await this.#client.identify()
    const difference = this.#expected && differenceOf(this.#expected, found)
    if (difference) {
      throw new StreamError('EMBED_FAILED', `${this.who} is not the model that was opened: it ${difference}`, {
        fix: 'Give it back its model, or restart to index everything with the new one.',
        details: { isLasting: true },
      })
    }
  }

  #backoff(): Backoff {
    const { clock, logger, random } = this.#options
    return new Backoff({ name: this.who, clock, logger, random })
  }
}
