/**
 * Calls `stop` at the first SIGINT or SIGTERM; the second one ends the process at once.
 *
 * @returns how to take the handlers away again
 */
export function onStopSignal(stop: () => void): () => void {
  let asked = false
  const handle = (signal: NodeJS.Signals): void => {
    if (asked) process.exit(signal === 'SIGINT' ? 130 : 143)
    asked = true
    stop()
  }
  process.on('SIGINT', handle).on('SIGTERM', handle)
  return () => void process.off('SIGINT', handle).off('SIGTERM', handle)
}
