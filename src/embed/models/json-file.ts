import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { reasonOf, StreamError } from '../../errors.ts'

export type JsonObject = Readonly<Record<string, unknown>>

export function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() === true
}

/** The object in a JSON file; undefined when there is no such file. Throws MODEL_INVALID for anything else. */
export async function readJson(file: string): Promise<JsonObject | undefined> {
  if (!isFile(file)) return undefined
  try {
    const value: unknown = JSON.parse(await readFile(file, 'utf8'))
    if (isObject(value)) return value
  } catch (cause) {
    throw new StreamError('MODEL_INVALID', `${file} is not valid JSON: ${reasonOf(cause)}`, { cause })
  }
  throw new StreamError('MODEL_INVALID', `${file} does not hold a JSON object`)
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null
}

/** A whole number from 0. */
export function isWhole(value: unknown): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0
}

/** A whole number from 1. */
export function isPositive(value: unknown): value is number {
  return isWhole(value) && value > 0
}

/** Throws MODEL_INVALID for anything but a whole number from 1; `what` says in the error what it is. */
export function positive(value: unknown, what: string): number {
  if (isPositive(value)) return value
  throw new StreamError('MODEL_INVALID', `${what} is not a positive whole number`)
}
