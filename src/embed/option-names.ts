import { StreamError } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'

/** Nothing compiles a topology file that is only run: a misspelled option must not become its default. Throws CONFIG_INVALID. */
export function refuseUnknownOptions(maker: string, options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const names = unknown.map((name) => `"${name}"`).join(', ')
  const meant = unknown.flatMap((name) => nearestName(name, known) ?? [])
  const question = meant.length > 0 ? `Did you mean ${meant.join(', ')}? ` : ''
  throw new StreamError('CONFIG_INVALID', `${maker} has no option ${names}`, {
    fix: `${question}Known are ${known.join(', ')}.`,
  })
}
