import type { AuthenticationProviderArgs } from 'kafkajs'
import { expect, test } from 'vitest'
import { loadKafkaJs } from '../../../src/connectors/kafka/compat.ts'
import { loginOf } from '../../../src/connectors/kafka/token-login.ts'

const kafkaJs = loadKafkaJs()

/** Logs in at a broker that gives this answer; the message that it got. */
async function logIn(token: () => Promise<string>, answer: string): Promise<string> {
  const oauthBearerProvider = async () => ({ value: await token() })
  const login = loginOf({ mechanism: 'oauthbearer', oauthBearerProvider }, kafkaJs)
  if (!('authenticationProvider' in login)) throw new Error('KafkaJS would log in by itself')
  let message = ''
  const saslAuthenticate: AuthenticationProviderArgs['saslAuthenticate'] = async ({ request, response }) => {
    const bytes = await request.encode()
    expect(bytes.readInt32BE()).toBe(bytes.length - 4)
    message = bytes.subarray(4).toString()
    return response?.parse(await response.decode(Buffer.from(`\0\0\0\0${answer}`)))
  }
  const { logger } = kafkaJs.Kafka.prototype
  await login.authenticationProvider({ host: 'a', port: 1, logger: logger as never, saslAuthenticate }).authenticate()
  return message
}

test('a token is sent as RFC 7628 has it', async () => {
  expect(await logIn(async () => 'abc', '')).toBe('n,,\u0001auth=Bearer abc\u0001\u0001')
})

test.each<[string, () => Promise<string>, string, string]>([
  [
    'a broker that refuses it',
    async () => 'canary',
    '{"status":"invalid_token","scope":"x"}',
    'SASL OAUTHBEARER authentication failed: the broker refuses the token (invalid_token)',
  ],
  [
    'an answer that is no JSON',
    async () => 'canary',
    'no',
    'SASL OAUTHBEARER authentication failed: the broker refuses the token (it does not say why)',
  ],
  [
    'no token',
    () => Promise.reject(new Error('ENOENT')),
    '',
    'SASL OAUTHBEARER authentication failed: there is no token: ENOENT',
  ],
])('%s ends the login, and is not tried again', async (_, token, answer, message) => {
  const login = logIn(token, answer)

  await expect(login).rejects.toThrow(message)
  await expect(login).rejects.toMatchObject({ name: 'KafkaJSNonRetriableError', retriable: false })
})

test('passwords are left to KafkaJS', () => {
  const sasl = { mechanism: 'plain', username: 'a', password: 'b' } as const

  expect(loginOf(sasl, kafkaJs)).toBe(sasl)
})
