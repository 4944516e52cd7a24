import { StreamError } from '../errors.ts'

/** What the value of an option may be. */
export interface OptionKind {
  /** Stands behind "must be". */
  readonly words: string
  /** Of what fits. A value of another type is named by its type in errors, so that no key is shown. */
  readonly type: 'boolean' | 'number' | 'string' | 'object' | 'function'
  readonly fits: (value: unknown) => boolean
  /** The largest number. Default: any. */
  readonly most?: number
}

/** The kind of each option that there is. */
export type OptionKinds<Options> = { readonly [Name in keyof Options]-?: OptionKind }

/** A timer of Node that should wait longer fires at once. */
const longestTimerMs = 2 ** 31 - 1

export const flag: OptionKind = { words: 'true or false', type: 'boolean', fits: (value) => typeof value === 'boolean' }
export const text: OptionKind = { words: 'a text', type: 'string', fits: (value) => typeof value === 'string' }
export const texts: OptionKind = {
  words: 'an array of texts',
  type: 'object',
  fits: (value) => Array.isArray(value) && value.every(text.fits),
}
export const action: OptionKind = {
  words: 'a function',
  type: 'function',
  fits: (value) => typeof value === 'function',
}
export const fields: OptionKind = { words: 'an object', type: 'object', fits: isPlainObject }
export const count = wholeNumber(1)
/** How long something may take. Milliseconds. */
export const timeout: OptionKind = { ...count, most: longestTimerMs }
/** How long something waits, which may be not at all. Milliseconds. */
export const wait: OptionKind = {
  words: 'a number from 0',
  type: 'number',
  fits: (value) => Number.isFinite(value) && Number(value) >= 0,
  most: longestTimerMs,
}
export const clockKind = withMethods('a Clock, with now and after', ['now', 'after'])
export const loggerKind = withMethods('a Logger, with debug, info, warn, error and child', [
  'debug',
  'info',
  'warn',
  'error',
  'child',
])

export function wholeNumber(least: number): OptionKind {
  return {
    words: `a whole number from ${least}`,
    type: 'number',
    fits: (value) => Number.isSafeInteger(value) && Number(value) >= least,
  }
}

/** One of a few names. */
export function oneOf(names: readonly string[]): OptionKind {
  return { words: `one of ${names.join(', ')}`, type: 'string', fits: (value) => names.some((name) => name === value) }
}

/** Some of a few names. */
export function someOf(names: readonly string[]): OptionKind {
  const { fits } = oneOf(names)
  return {
    words: `an array of ${names.join(', ')}`,
    type: 'object',
    fits: (value) => Array.isArray(value) && value.every(fits),
  }
}

/** What is of a kind, or this name. */
export function orName(kind: OptionKind, name: string): OptionKind {
  return { ...kind, words: `${kind.words} or "${name}"`, fits: (value) => value === name || kind.fits(value) }
}

/** An object that can do these things. */
function withMethods(words: string, names: readonly string[]): OptionKind {
  return {
    words,
    type: 'object',
    fits: (value) => isPlainObject(value) && names.every((name) => typeof value[name] === 'function'),
  }
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Throws CONFIG_INVALID unless the value is undefined, which stands for the default, or of that kind. */
export function requireKind(
  name: string,
  value: unknown,
  { words, type, fits, most = Number.POSITIVE_INFINITY }: OptionKind,
): void {
  if (value === undefined) return
  const shown = typeof value === type && type !== 'object' ? String(value) : typeNameOf(value)
  if (!fits(value)) throw new StreamError('CONFIG_INVALID', `${name} must be ${words}, not ${shown}`)
  if (typeof value === 'number' && value > most)
    throw new StreamError('CONFIG_INVALID', `${name} must be at most ${most}, not ${shown}`)
}

/** `requireKind` for each of the options. `owner` stands behind their names in errors: ` of a cache`. */
export function requireKinds(options: object, kinds: Readonly<Record<string, OptionKind>>, owner = ''): void {
  for (const [name, kind] of Object.entries(kinds)) requireKind(`${name}${owner}`, Reflect.get(options, name), kind)
}

/** Throws CONFIG_INVALID when no model is named; `fix` says how one is. */
export function requireModel(model: unknown, fix: string): void {
  if (typeof model !== 'string' || model === '')
    throw new StreamError('CONFIG_INVALID', 'the option "model" is missing', { fix })
}

/** `null`, `a text`, `an array`: for a sentence about a value that should be something else. */
export function typeNameOf(value: unknown): string {
  if (value === null || typeof value === 'undefined' || typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return 'a text'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`
}
