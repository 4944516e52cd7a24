import { StreamError } from '../../errors.ts'
import { type Answer, retryAfterOf } from '../../http-connection.ts'

/** What an error of `errorOf` knows, in its `details`. */
interface Refusal {
  readonly status: number
  /** The registry's own number: 40403 for a schema that is not there. */
  readonly errorCode?: number
  readonly retryAfterMs?: number
}

/** What an answer means that is no success: REGISTRY_UNREACHABLE passes, SCHEMA_REFUSED is about what was asked for, all else is fatal. */
export function errorOf({ status, text, headers }: Answer, address: string, nowMs: number): StreamError {
  const frame = frameOf(text)
  const said = frame ? `${frame.errorCode}: ${frame.message}` : `${status}: ${excerpt(text)}`
  const retryAfterMs = retryAfterOf(headers, nowMs)
  const details = {
    status,
    ...(frame && { errorCode: frame.errorCode }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  } satisfies Refusal
  if (status === 401 || status === 403) {
    return new StreamError('REGISTRY_DENIED', `the schema registry at ${address} refuses access (${said})`, { details })
  }
  if (status === 408 || status === 429 || status >= 500) {
    return new StreamError('REGISTRY_UNREACHABLE', `the schema registry at ${address} cannot answer now (${said})`, {
      details,
    })
  }
  if (frame && isAboutSchemas(frame.errorCode)) {
    return new StreamError('SCHEMA_REFUSED', `the schema registry at ${address} says no (${said})`, { details })
  }
  return notARegistry(address, said)
}

export function notARegistry(address: string, said: string): StreamError {
  return new StreamError(
    'CONFIG_INVALID',
    `the server at ${address} does not answer like a schema registry (${said})`,
    {
      fix: 'Give the URL of the registry itself, not of a page or a redirect.',
    },
  )
}

/** 404xx: subject, version or schema not found; 409: not compatible with the version before; 422xx: no valid schema, version, level. */
function isAboutSchemas(errorCode: number): boolean {
  return errorCode === 409 || [404, 409, 422].includes(Math.floor(errorCode / 100))
}

const longestMessage = 300

function frameOf(text: string): { readonly errorCode: number; readonly message: string } | undefined {
  const answer = parsed(text)
  if (!answer || !('error_code' in answer) || typeof answer.error_code !== 'number') return undefined
  const message = 'message' in answer && typeof answer.message === 'string' ? answer.message : ''
  return { errorCode: answer.error_code, message: excerpt(message) }
}

/** The beginning of a text that somebody else wrote, on one line. */
export function excerpt(text: string): string {
  return text.replace(/\s+/g, ' ').trim().slice(0, longestMessage) || 'no text'
}

/** The object in an answer; undefined when there is none. */
export function parsed(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : undefined
  } catch {
    return undefined
  }
}
