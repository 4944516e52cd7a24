import type { IncomingMessage } from 'node:http'
import { reasonOf, StreamError } from './errors.ts'

/** How to reach a server by TLS where the certificates of the system do not do. PEM. */
export interface TlsOptions {
  /** Certificates to trust instead of those of the system. */
  readonly ca?: string
  /** Certificate of the client; goes with `key`. */
  readonly cert?: string
  readonly key?: string
  /** Opens an encrypted key. */
  readonly passphrase?: string
  /** Name that the certificate of the server must have, if it is not its host. */
  readonly servername?: string
}

/** The part of Node's fetch that is used here. */
export type Fetch = (url: string, options: FetchOptions) => Promise<Response>

interface FetchOptions {
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  readonly redirect: 'manual'
  readonly signal: AbortSignal
}

const withoutBody = [204, 205, 304]
/** A connection that nobody uses is closed after it, as Node's fetch does: below the idle limit of servers. */
const idleMs = 4_000

/**
 * A fetch with certificates of its own, which Node's cannot be given. It keeps connections, and follows no redirect. CONFIG_INVALID for
 * certificates and keys that cannot be used; `name` says whose.
 */
export function tlsFetch(name: string, tls: TlsOptions): Fetch {
  // Loaded for those who have certificates: everybody who can connect to a server imports this file, and they take longer than all of it.
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  const { Agent, request } = process.getBuiltinModule('node:https')
  try {
    createSecureContext(tls)
  } catch (cause) {
    throw new StreamError('CONFIG_INVALID', `the certificates for ${name} cannot be used: ${reasonOf(cause)}`, {
      cause,
    })
  }
  const agent = new Agent({ ...tls, keepAlive: true, timeout: idleMs })
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const answered = (message: IncomingMessage) => resolve(responseOf(message))
      request(url, { method, headers, agent, signal }, answered).on('error', reject).end(body)
    })
}

function responseOf(message: IncomingMessage): Response {
  const { statusCode: status = 0, headersDistinct } = message
  const headers = Object.entries(headersDistinct).flatMap(([name, values = []]) =>
    values.map((value): [string, string] => [name, value]),
  )
  if (!withoutBody.includes(status)) return new Response(message, { status, headers })
  message.resume()
  return new Response(null, { status, headers })
}
