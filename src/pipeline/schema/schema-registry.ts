import { z } from 'zod'
import type { SchemaRegistryOptions } from '../../connectors/index.ts'
import { type KeysOf, optional, secret, wholeNumber } from './key.ts'

const name = z.string().min(1)

const tls = z
  .strictObject({
    ca: optional(name, 'Certificates to trust, PEM. Left out: those of the system.'),
    cert: optional(name, 'Certificate of the client, PEM, for mutual TLS; goes with `key`.'),
    key: optional(secret(), 'Key of that certificate, PEM.'),
    passphrase: optional(secret(), 'Opens an encrypted key.'),
    servername: optional(name, 'Name that the certificate of the registry must have, if it is not its host.'),
  } satisfies KeysOf<NonNullable<SchemaRegistryOptions['ssl']>, never>)
  .refine((ssl) => 'cert' in ssl === 'key' in ssl, { message: '`cert` and `key` go together' })

const keys = {
  url: z
    .string()
    .regex(/^https?:\/\/[^\s/]+/, 'must be an http or https address')
    .meta({ description: 'Base URL of a registry with the REST interface of Confluent.' }),
  username: optional(name, 'For basic authentication; goes with `password`.'),
  password: optional(secret(), 'Refused over plain http to another machine.'),
  token: optional(secret(), 'Sent as bearer token, instead of user and password.'),
  ssl: optional(tls, 'Certificates, where those of the system do not do.'),
  requestTimeoutMs: optional(wholeNumber, 'Until a request that is not answered counts as failed.', 10_000),
  maxCacheBytes: optional(wholeNumber, 'Text of schemas that is kept.', 16_777_216),
} satisfies KeysOf<SchemaRegistryOptions, 'logger' | 'clock'>

/** Where the schemas of values lie. */
export const schemaRegistrySchema = z.strictObject(keys)

export type SchemaRegistryDescription = z.infer<typeof schemaRegistrySchema>
