import { destination, pino } from 'pino'
import type { Logger } from '../logger.ts'

/** JSON lines on stderr, one per event: stdout belongs to the results. */
export function jsonLogger(level: 'debug' | 'info' | 'warn' = 'info'): Logger {
  return pino({ level, base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination({ dest: 2, sync: true }))
}

/** Short lines for people on stderr: warnings and errors only. */
export const plainLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: (_, sentence) => void process.stderr.write(`warning: ${sentence}\n`),
  error: (_, sentence) => void process.stderr.write(`error: ${sentence}\n`),
  child: () => plainLogger,
}
