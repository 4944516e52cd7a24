/** What a handler gets and gives. */
import { ApiError } from './api-error.ts'
import type { Collection } from './collection.ts'
import { badNameCharacter } from './collection-shape.ts'
import type { Database } from './database.ts'
import { placeOf } from './json.ts'
import type { RawParams } from './params.ts'
import { JsonSyntaxError, parseJson } from './parse-json.ts'
import { type Decode, DecodeError } from './serde.ts'
import { describeProblems, type Problem } from './validation.ts'
import type { Answer } from './write-json.ts'

export interface Exchange {
  readonly database: Database
  /** Parts of the path, decoded. */
  readonly path: Readonly<Record<string, string>>
  readonly params: RawParams
  /** Bytes as latin1. */
  readonly body: string
  readonly mayWrite: boolean
  /** That the server says it has. */
  readonly version: string
}

export type Reply =
  | { readonly result: Answer }
  /** Printed as it is, without the frame of an answer. */
  | { readonly bare: Answer }
  | { readonly text: string }
  | { readonly status: 202 }

/** A body of the given form, or the error that the server would give. */
export function readBody<T>(
  { body }: Exchange,
  decode: Decode<T>,
  problemsOf: (value: T) => readonly Problem[] = () => [],
): T {
  const value = decodeBody(body, decode)
  const problems = problemsOf(value)
  if (problems.length > 0) throw new ApiError(422, describeProblems('JSON body', problems))
  return value
}

function decodeBody<T>(body: string, decode: Decode<T>): T {
  try {
    return decode(parseJson(body), 'stream')
  } catch (error) {
    if (!(error instanceof JsonSyntaxError || error instanceof DecodeError)) throw error
    const place = error.offset === undefined ? '' : ` at ${placeOf(body, error.offset)}`
    throw new ApiError(400, `Format error in JSON body: ${error.message}${place}`)
  }
}

export function collectionName({ path }: Exchange, isNew = false): string {
  const { collection = '' } = path
  const problems: Problem[] = []
  const bad = badNameCharacter(collection, 'collection name', isNew ? undefined : ['/', '\0'])
  if (collection.length < 1 || collection.length > 255) {
    const message = `value ${JSON.stringify(collection)} invalid, must be from 1 to 255 characters`
    problems.push({ path: 'collection_name', message })
  }
  if (bad) problems.push({ path: 'collection_name', message: bad })
  if (problems.length > 0) throw new ApiError(422, describeProblems('path parameters', problems))
  return collection
}

export const collectionOf = (exchange: Exchange): Collection => exchange.database.require(collectionName(exchange))

export function requireWrite({ mayWrite }: Exchange): void {
  if (!mayWrite) throw new ApiError(403, 'Forbidden: Global manage access is required')
}
