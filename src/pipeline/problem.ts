import { StreamError } from '../errors.ts'

/** Where something stands in a file; both count from 1. */
export interface Place {
  readonly line: number
  readonly column: number
}

/** Keys and positions from the root of a description to one of its values. */
export type Path = readonly (string | number)[]

/** One thing that is wrong with a pipeline file. Holds names of the file, never its values: one of them may be a secret. */
export interface Problem extends Place {
  /** `index.qdrant.url`, `filter[0].field`; empty for the file as a whole. */
  readonly path: string
  readonly message: string
  /** The valid name that is most like the one that was found. */
  readonly nearest?: string
}

const shownProblems = 100

export function problemAt({ line, column }: Place, path: Path, message: string, nearest?: string): Problem {
  return { line, column, path: pathText(path), message, ...(nearest !== undefined && { nearest }) }
}

/** `['filter', 0, 'field']` -> `filter[0].field` */
export function pathText(path: Path): string {
  return path.map((part, at) => (typeof part === 'number' ? `[${part}]` : `${at === 0 ? '' : '.'}${part}`)).join('')
}

/** CONFIG_INVALID with all problems in the order of the file, a line each, and in `details.problems`. */
export function pipelineError(file: string, problems: readonly Problem[]): StreamError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column)
  const shown = sorted.slice(0, shownProblems).map((problem) => `  - ${lineOf(file, problem)}\n`)
  if (sorted.length > shownProblems) shown.push(`  and ${sorted.length - shownProblems} more\n`)
  const count = sorted.length === 1 ? '1 problem' : `${sorted.length} problems`
  return new StreamError('CONFIG_INVALID', `${file} has ${count}:\n${shown.join('')}`, {
    fix: 'Correct each of the listed problems.',
    details: { problems: sorted },
  })
}

function lineOf(file: string, { line, column, path, message, nearest }: Problem): string {
  const hint = nearest === undefined ? '' : `; did you mean "${nearest}"?`
  return `${file}:${line}:${column} ${path === '' ? '' : `${path}: `}${message}${hint}`
}
