import { z } from 'zod'
import type { SchemaRegistryOptions } from '../../connectors/index.ts'
import { type KeysOf, optional, secret, wholeNumber } from './key.ts'

const name = z.string().min(1)
const address = z.string().regex(/^https?:\/\/[^\s/]+/, 'must be an http or https address')

const renewed = 'Read for every request, so that whoever renews it need not restart anything.'

const tls = z
  .strictObject({
    ca: optional(name, 'Certificates to trust, PEM. Left out: those of the system.'),
    cert: optional(name, 'Certificate of the client, PEM, for mutual TLS; goes with `key`.'),
    key: optional(secret(), 'Key of that certificate, PEM.'),
    caFile: optional(name, `File of \`ca\`. ${renewed}`),
    certFile: optional(name, `File of \`cert\`, for mutual TLS; goes with \`keyFile\`. ${renewed}`),
    keyFile: optional(name, `File of \`key\`. ${renewed}`),
    passphrase: optional(secret(), 'Opens an encrypted key.'),
    servername: optional(name, 'Name that the certificate of the registry must have, if it is not its host.'),
  } satisfies KeysOf<NonNullable<SchemaRegistryOptions['ssl']>, never>)
  .refine((ssl) => 'cert' in ssl === 'key' in ssl, { message: '`cert` and `key` go together' })
  .refine((ssl) => 'certFile' in ssl === 'keyFile' in ssl, { message: '`certFile` and `keyFile` go together' })
  .refine((ssl) => !(['ca', 'cert', 'key'] as const).some((part) => part in ssl && `${part}File` in ssl), {
    message: 'has a certificate twice, as text and as a file',
  })

const keys = {
  url: z.union([address, z.array(address).min(1)]).meta({
    description:
      'Base URL of a registry with the REST interface of Confluent; a list for servers with the same schemas, of which the next is asked when one cannot answer.',
  }),
  username: optional(name, 'For basic authentication; goes with `password` or `passwordFile`.'),
  password: optional(secret(), 'Refused over plain http to another machine.'),
  passwordFile: optional(name, `File of \`password\`. ${renewed}`),
  token: optional(secret(), 'Sent as bearer token, instead of user and password.'),
  tokenFile: optional(name, `File of \`token\`. ${renewed}`),
  ssl: optional(tls, 'Certificates, where those of the system do not do.'),
  requestTimeoutMs: optional(wholeNumber, 'Until a request that is not answered counts as failed.', 10_000),
  maxCacheBytes: optional(wholeNumber, 'Text of schemas that is kept.', 16_777_216),
} satisfies KeysOf<SchemaRegistryOptions, 'logger' | 'clock'>

/** Where the schemas of values lie. */
export const schemaRegistrySchema = z.strictObject(keys)
