import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { StreamError } from '../errors.ts'

/**
 * Asks on stderr, and reads a line from stdin: somebody has to type the name of what will be gone. Throws USAGE for anything else.
 *
 * @example
 * await confirmByName('documents-dead-letter', 'This deletes 12 dead letters for ever.')
 */
export async function confirmByName(name: string, warning: string): Promise<void> {
  process.stderr.write(`${warning} Type ${name} to go on: `)
  const answer = await firstLine(process.stdin)
  if (answer === name) return
  const fact = answer === undefined ? 'nobody has confirmed it' : 'what was typed is another name'
  throw new StreamError('USAGE', `${fact}, so nothing was done`, { fix: `Type ${name} when asked, or give --yes.` })
}

/** Undefined when there is none. */
async function firstLine(input: NodeJS.ReadableStream): Promise<string | undefined> {
  const lines = createInterface({ input })
  const ended = once(lines, 'close').then(() => undefined)
  const line = await Promise.race([once(lines, 'line').then(([text]) => String(text)), ended])
  lines.close()
  return line?.trim()
}
