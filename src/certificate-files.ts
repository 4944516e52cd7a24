import { readFileSync } from 'node:fs'
import type { ConnectionOptions } from 'node:tls'
import type { Clock } from './clock.ts'
import { reasonOf, StreamError } from './errors.ts'
import type { Logger } from './logger.ts'

/** Files in place of `ca`, `cert` and `key`, PEM. They are read again for new connections: whoever renews them need not restart anything. */
export interface CertificatePaths {
  /** Certificates to trust. Left out: those of `ca`, else of the system. */
  readonly caFile?: string
  /** Certificate of the client, for mutual TLS; goes with `keyFile`. */
  readonly certFile?: string
  /** Key of that certificate. */
  readonly keyFile?: string
}

export interface CertificateFilesOptions extends CertificatePaths {
  /** Opens an encrypted key. */
  readonly passphrase?: string | undefined
}

interface Surroundings {
  readonly logger: Logger
  readonly clock: Clock
}

/** What is in the files. */
export type Certificates = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>

/**
 * Certificates as their files have them now. Connections are seldom made, so every one of them looks: nothing watches, and no way in which
 * files are replaced can be missed. What cannot be used, such as half of a renewal, is told once, and the one before stays.
 */
export class CertificateFiles {
  readonly #files: readonly (readonly [name: keyof Certificates, path: string])[]
  readonly #passphrase: string | undefined
  readonly #logger: Logger
  readonly #clock: Clock
  #usable: Certificates | undefined
  #complaint: string | undefined

  constructor({ caFile, certFile, keyFile, passphrase }: CertificateFilesOptions, { logger, clock }: Surroundings) {
    const named = { ca: caFile, cert: certFile, key: keyFile }
    this.#files = Object.entries(named).flatMap(([name, path]) =>
      path === undefined ? [] : [[name as keyof Certificates, path] as const],
    )
    this.#passphrase = passphrase
    this.#logger = logger
    this.#clock = clock
  }

  /** For a new connection. Throws CONFIG_INVALID as long as there has been nothing that can be used. */
  get current(): Certificates {
    try {
      const contents = this.#read()
      if (!isSame(contents, this.#usable)) this.#check(contents)
      this.#usable = contents
      this.#complaint = undefined
      return contents
    } catch (error) {
      return this.#before(reasonOf(error), error)
    }
  }

  #check(contents: Certificates): void {
    // Loaded for those who have certificates: everybody who can connect to a server imports this file, and they take longer than all of it.
    const { createSecureContext } = process.getBuiltinModule('node:tls')
    const { X509Certificate } = process.getBuiltinModule('node:crypto')
    createSecureContext({ ...contents, ...(this.#passphrase !== undefined && { passphrase: this.#passphrase }) })
    const until = contents.cert && new X509Certificate(String(contents.cert)).validToDate
    if (until && until.getTime() < this.#clock.now())
      throw new Error(`the certificate of the client has expired at ${until.toISOString()}`)
    if (this.#usable) this.#logger.info({ files: this.#paths }, 'certificates have changed: new connections use them')
  }

  get #paths(): readonly string[] {
    return this.#files.map(([, path]) => path)
  }

  #before(reason: string, cause: unknown): Certificates {
    if (!this.#usable)
      throw new StreamError(
        'CONFIG_INVALID',
        `the certificates in ${this.#paths.join(', ')} cannot be used: ${reason}`,
        {
          fix: 'Give files in PEM, a certificate that is still good, and the key that belongs to it.',
          cause,
        },
      )
    if (reason !== this.#complaint)
      this.#logger.warn(
        { files: this.#paths, reason },
        'certificates cannot be used: connections go on with those before',
      )
    this.#complaint = reason
    return this.#usable
  }

  #read(): Certificates {
    return Object.fromEntries(this.#files.map(([name, path]) => [name, readFileSync(path, 'utf8')]))
  }
}

function isSame(some: Certificates, others: Certificates | undefined): boolean {
  return others !== undefined && (['ca', 'cert', 'key'] as const).every((name) => some[name] === others[name])
}
