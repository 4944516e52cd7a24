import { CommanderError } from 'commander'
import { isStreamError, reasonOf } from '../errors.ts'
import { asStarted } from './own-name.ts'
import { exitCodeOfStop } from './stop-signals.ts'

/**
 * Ends the process with one sentence on stderr: exit code 1 for a failure at run time, 2 for wrong usage, 78 for wrong configuration.
 * A command that was stopped by a signal has said so itself.
 * Anything that is not ours is a defect, and shows its stack.
 */
export function exit(error: unknown): never {
  if (error instanceof CommanderError) process.exit(exitCodeOf(error))
  const stopped = exitCodeOfStop(error)
  if (stopped !== undefined) process.exit(stopped)
  if (isStreamError(error)) {
    process.stderr.write(`${asStarted(error.message)}\n`)
    process.exit(error.exitCode)
  }
  process.stderr.write(`unexpected: ${error instanceof Error ? (error.stack ?? error.message) : reasonOf(error)}\n`)
  process.exit(1)
}

/** Commander has written its sentence already; help and version are no errors. */
function exitCodeOf(error: CommanderError): number {
  return error.exitCode === 0 ? 0 : 2
}
