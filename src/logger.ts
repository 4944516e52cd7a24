/**
 * The shape of pino that Millrace uses: facts first, then one sentence. Any logger with these methods fits.
 *
 * @example
 * logger.warn({ topic, partition }, 'the index does not answer; intake pauses')
 */
export interface Logger {
  debug(facts: object, sentence: string): void
  info(facts: object, sentence: string): void
  warn(facts: object, sentence: string): void
  error(facts: object, sentence: string): void
  child(facts: object): Logger
}

export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger,
}
