import { StreamError } from '../errors.ts'

/** What the value of an option may be. */
export interface OptionKind {
  /** Stands behind "must be". */
  readonly words: string
  /** Of what fits. A value of another type is named by its type in errors, so that no key is shown. */
  readonly type: 'boolean' | 'number' | 'string' | 'object' | 'function'
  readonly fits: (value: unknown) => boolean
}

/** One of a few names. */
export function oneOf(names: readonly string[]): OptionKind {
  return { words: `one of ${names.join(', ')}`, type: 'string', fits: (value) => names.some((name) => name === value) }
}

/** Throws CONFIG_INVALID unless the value is undefined, which stands for the default, or of that kind. */
export function requireKind(name: string, value: unknown, { words, type, fits }: OptionKind): void {
  if (value === undefined || fits(value)) return
  const shown = typeof value === type && type !== 'object' ? String(value) : typeNameOf(value)
  throw new StreamError('CONFIG_INVALID', `${name} must be ${words}, not ${shown}`)
}

/** `null`, `a text`, `an array`: for a sentence about a value that should be something else. */
export function typeNameOf(value: unknown): string {
  if (value === null || typeof value === 'undefined' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return 'a text'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
