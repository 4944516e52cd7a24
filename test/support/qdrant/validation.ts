/** Rules that are checked after a body was read, and the way the server words what breaks them. */

export interface Problem {
  /** `points[0].vector`; a leading `[` joins without a dot. */
  readonly path: string
  readonly message: string
}

/** A rule without a sentence of its own: the server prints its code and its parameters. */
export const problem = (path: string, code: string): Problem => ({ path, message: `Validation error: ${code} [{}]` })

export function nested(prefix: string, problems: readonly Problem[]): Problem[] {
  return problems.map(({ path, message }) => ({ path: path === '' ? prefix : `${prefix}.${path}`, message }))
}

export function problemsOfList<T>(name: string, items: Iterable<T>, check: (item: T) => readonly Problem[]): Problem[] {
  return [...items].flatMap((item, index) => nested(`${name}[${index}]`, check(item)))
}

/** The values of a map: their names are not shown. */
export function problemsOfValues<T>(values: Iterable<T>, check: (item: T) => readonly Problem[]): Problem[] {
  const failing = [...values].map(check).filter((problems) => problems.length > 0)
  if (failing.length < 2) return failing.flatMap((problems) => nested('?', problems))
  return failing.flatMap((problems, index) => nested(`?[${index}]`, problems))
}

export interface Limits {
  readonly min?: number
  readonly max?: number
  /** Print limits and value as floats. */
  readonly isFloat?: boolean
}

export function inRange(path: string, value: number | undefined, { min, max, isFloat = false }: Limits): Problem[] {
  if (value === undefined || ((min === undefined || value >= min) && (max === undefined || value <= max))) return []
  const show = (number: number | undefined) => (isFloat && Number.isInteger(number) ? `${number}.0` : `${number}`)
  const rule =
    min === undefined
      ? `must be ${show(max)} or smaller`
      : max === undefined
        ? `must be ${show(min)} or larger`
        : `must be from ${show(min)} to ${show(max)}`
  return [{ path, message: `value ${show(value)} invalid, ${rule}` }]
}

/** `what` names the part of the request: `JSON body`, `path parameters`, `query parameters`. */
export function describeProblems(what: string, problems: readonly Problem[]): string {
  return `Validation error in ${what}: [${problems.map(({ path, message }) => `${path}: ${message}`).join('; ')}]`
}
