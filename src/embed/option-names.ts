import { StreamError } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'
import { typeNameOf } from './option-values.ts'

/**
 * Nothing compiles a topology file that is only run: a misspelled option must not become its default. Throws CONFIG_INVALID, for what is
 * no object too; `fix` says what to write instead of that. Default: the names that are known.
 */
export function refuseUnknownOptions(
  maker: string,
  options: unknown,
  known: readonly string[],
  fix = `Known are ${known.join(', ')}.`,
): void {
  if (typeof options !== 'object' || options === null || Array.isArray(options))
    throw new StreamError('CONFIG_INVALID', `${maker} takes an object with options, not ${typeNameOf(options)}`, {
      fix,
    })
  const unknown = Object.keys(options).filter((name) => !known.includes(name))
  if (unknown.length === 0) return
  const names = unknown.map((name) => `"${name}"`).join(', ')
  const meant = unknown.flatMap((name) => nearestName(name, known) ?? [])
  const question = meant.length > 0 ? `Did you mean ${meant.join(', ')}? ` : ''
  throw new StreamError('CONFIG_INVALID', `${maker} has no option ${names}`, {
    fix: `${question}Known are ${known.join(', ')}.`,
  })
}
