import type { Mechanism, SASLOptions } from 'kafkajs'
import { reasonOf } from '../../errors.ts'
import type { KafkaJs } from './compat.ts'

/**
 * How KafkaJS is to log in; as it is told but for tokens. Of those it takes every answer for a yes, while a broker that refuses one says so
 * in its answer and ends the connection at the next request (RFC 7628, section 3.2.2): KafkaJS would try for ever and never say why.
 */
export function loginOf(sasl: SASLOptions, { KafkaJSNonRetriableError }: KafkaJs): SASLOptions | Mechanism {
  if (sasl.mechanism !== 'oauthbearer') return sasl
  const failed = (reason: string) => new KafkaJSNonRetriableError(`SASL OAUTHBEARER authentication failed: ${reason}`)
  return {
    mechanism: sasl.mechanism,
    authenticationProvider: ({ saslAuthenticate }) => ({
      async authenticate() {
        const token = await sasl.oauthBearerProvider().catch((error: unknown) => {
          throw failed(`there is no token: ${reasonOf(error)}`)
        })
        const refusal = await saslAuthenticate({
          request: { encode: () => withLength(`n,,\u0001auth=Bearer ${token.value}\u0001\u0001`) },
          response: { decode: (answer) => answer.subarray(lengthBytes), parse: refusalIn },
        })
        if (refusal) throw failed(refusal)
      },
    }),
  }
}

const lengthBytes = 4

/** Kafka puts the number of bytes before them. */
function withLength(message: string): Buffer {
  const bytes = Buffer.from(message)
  const length = Buffer.alloc(lengthBytes)
  length.writeInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** `{"status":"invalid_token"}`; nothing when the token was taken. */
function refusalIn(answer: Buffer): string | undefined {
  if (answer.length === 0) return undefined
  const status = /"status"\s*:\s*"([\w-]{1,64})"/.exec(answer.toString('utf8'))?.[1]
  return `the broker refuses the token (${status ?? 'it does not say why'})`
}
