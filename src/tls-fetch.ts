import type { IncomingMessage } from 'node:http'
import { CertificateFiles, type CertificatePaths } from './certificate-files.ts'
import type { Clock } from './clock.ts'
import { reasonOf, StreamError } from './errors.ts'
import type { Logger } from './logger.ts'

/** How to reach a server by https where the certificates of the system do not do. PEM. */
export interface HttpTlsOptions extends CertificatePaths {
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

interface TlsFetchOptions {
  /** What the server is, for messages. */
  readonly name: string
  readonly tls: HttpTlsOptions
  readonly logger: Logger
  readonly clock: Clock
}

/**
 * A fetch with certificates of its own, which Node's cannot be given. It keeps connections, and follows no redirect. CONFIG_INVALID for
 * certificates and keys that cannot be used: at once for those that are given, with the first request for those in files, which are looked
 * at for every request. New ones make a new connection.
 */
export function tlsFetch({ name, tls, logger, clock }: TlsFetchOptions): Fetch {
  // Loaded for those who have certificates: everybody who can connect to a server imports this file, and they take longer than all of it.
  const { createSecureContext } = process.getBuiltinModule('node:tls')
  const { Agent, request } = process.getBuiltinModule('node:https')
  const { caFile: _ca, certFile: _cert, keyFile: _key, ...given } = tls
  try {
    createSecureContext(given)
  } catch (cause) {
    throw new StreamError('CONFIG_INVALID', `the certificates for ${name} cannot be used: ${reasonOf(cause)}`, {
      cause,
    })
  }
  const files = new CertificateFiles(tls, { logger, clock })
  const agent = new Agent({ keepAlive: true, timeout: idleMs })
  return (url, { method, headers, body, signal }) =>
    new Promise((resolve, reject) => {
      const answered = (message: IncomingMessage) => resolve(responseOf(message))
      // The agent keeps connections apart by their certificates.
      request(url, { ...given, ...files.current, method, headers, agent, signal }, answered)
        .on('error', reject)
        .end(body)
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
