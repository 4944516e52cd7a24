import { z } from 'zod'
import type { KafkaBrokerOptions } from '../../connectors/kafka/broker.ts'
import { type KeysOf, optional, secret, wholeNumber } from './key.ts'

const address = /^[^:\s,]+:\d+$/
const addresses = /^[^:\s,]+:\d+(\s*,\s*[^:\s,]+:\d+)*$/
const wrongAddress = 'must be host:port'

const renewed = 'Read for every connection, so that whoever renews it need not restart anything.'

const tls = z
  .strictObject({
    ca: optional(z.string().min(1), 'Certificates to trust, PEM. Left out: those of the system.'),
    cert: optional(z.string().min(1), 'Certificate of the client, PEM, for mutual TLS; goes with `key`.'),
    key: optional(secret(), 'Key of that certificate, PEM.'),
    caFile: optional(z.string().min(1), `File of \`ca\`. ${renewed}`),
    certFile: optional(z.string().min(1), `File of \`cert\`, for mutual TLS; goes with \`keyFile\`. ${renewed}`),
    keyFile: optional(z.string().min(1), `File of \`key\`. ${renewed}`),
    passphrase: optional(secret(), 'Opens an encrypted key.'),
    servername: optional(
      z.string().min(1),
      'Name that the certificate of the broker must have, if it is not its host.',
    ),
  })
  .refine((ssl) => 'cert' in ssl === 'key' in ssl, { message: '`cert` and `key` go together' })
  .refine((ssl) => 'certFile' in ssl === 'keyFile' in ssl, { message: '`certFile` and `keyFile` go together' })
  .refine((ssl) => !(['ca', 'cert', 'key'] as const).some((name) => name in ssl && `${name}File` in ssl), {
    message: 'has a certificate twice, as text and as a file',
  })

const sasl = z.discriminatedUnion('mechanism', [
  z.strictObject({
    mechanism: z.enum(['plain', 'scram-sha-256', 'scram-sha-512']).meta({ description: 'How the password is proved.' }),
    username: z.string().min(1).meta({ description: 'The user of the application.' }),
    password: secret().meta({ description: 'Best from a file, by a reference.' }),
  }),
  z.strictObject({
    mechanism: z.literal('oauthbearer').meta({ description: 'A token instead of a password.' }),
    tokenFile: z.string().min(1).meta({
      description:
        'File with the token. It is read for every login, so that whoever renews it need not restart anything.',
    }),
  }),
])

const keys = {
  brokers: optional(
    z.union([
      z.string().regex(addresses, 'must be host:port, several separated by commas'),
      z.array(z.string().regex(address, wrongAddress)).min(1),
    ]),
    'Brokers, host:port; a list, or separated by commas. Left out: KAFKA_BROKERS, else 127.0.0.1:9092. `--brokers` goes first.',
  ),
  clientId: optional(z.string().min(1), "Shown in the broker's logs and quotas.", 'millrace'),
  ssl: optional(
    z.union([z.boolean(), tls]),
    '`true` for TLS with the certificates of the system, or its options.',
    false,
  ),
  sasl: optional(sasl, 'Who the application is.'),
  connectionTimeoutMs: optional(wholeNumber, 'One attempt to connect.', 3_000),
  requestTimeoutMs: optional(wholeNumber, 'Until a request that is not answered counts as failed.', 30_000),
  metadataMaxAgeMs: optional(wholeNumber, 'Until partitions that were added are noticed.', 60_000),
} satisfies KeysOf<KafkaBrokerOptions, 'logger' | 'clock'>

/** How to reach the brokers. */
export const kafkaSchema = z.strictObject(keys)
