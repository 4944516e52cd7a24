import type { ConnectionOptions } from 'node:tls'
import { CertificateFiles, type CertificatePaths } from '../../certificate-files.ts'
import { systemClock } from '../../clock.ts'
import { silentLogger } from '../../logger.ts'

/** Options of `tls.connect`, and files for certificates, which are read again for every connection. */
export interface TlsOptions extends ConnectionOptions, CertificatePaths {}

/** The options as `tls.connect` takes them, with what is in the files now. Throws CONFIG_INVALID when that cannot be used. */
export function tlsOptionsOf(ssl: TlsOptions): ConnectionOptions {
  return { ...ssl, ...new CertificateFiles(ssl, { logger: silentLogger, clock: systemClock }).current }
}
