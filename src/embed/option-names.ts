import { StreamError } from '../errors.ts'

/** Nothing compiles a topology file that is only run: a misspelled option must not become its default. Throws CONFIG_INVALID. */
export function refuseUnknownOptions(maker: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const names = unknown.map((name) => `"${name}"`).join(', ')
  throw new StreamError('CONFIG_INVALID', `${maker} has no option ${names}`, { fix: `Known are ${known.join(', ')}.` })
}
