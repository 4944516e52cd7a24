import { type KafkaBrokerOptions, kafkaBroker } from '../../connectors/kafka/broker.ts'
import { type Refusal, refusalOf } from '../../connectors/kafka/refusals.ts'
import { tlsOptionsOf } from '../../connectors/kafka/tls-options.ts'
import { factOf, isStreamError, reasonOf, StreamError } from '../../errors.ts'
import type { Broker } from '../../runtime/broker.ts'
import { type Check, ok } from './check.ts'
import { codeOf, connected, noListener } from './kafka-address.ts'

/** Whether there is a Kafka at all, that speaks as we do, and lets the user in. */
export const kafka: Check<'log'> = {
  name: 'kafka',
  needs: ['log'],
  examine: async ({ log }) => [ok(`${log.name} answers`)],
}

/** Opens the log, or says what is in the way: one who reads "connection closed" does not think of TLS. */
export async function openKafka(options: KafkaBrokerOptions): Promise<Broker> {
  const broker = kafkaBroker(options)
  await requireListener(options)
  try {
    await broker.open()
    await requireAnswer(broker)
    return broker
  } catch (error) {
    await broker.close()
    throw (await explained(error, broker.name, options)) ?? error
  }
}

/** A broker that wants a password greets those who give none, and hangs up at their first question. A denial is an answer. */
async function requireAnswer(broker: Broker): Promise<void> {
  try {
    await broker.topics(['millrace'])
  } catch (error) {
    if (!isStreamError(error) || error.code !== 'BROKER_DENIED') throw error
  }
}

type Connection = Pick<KafkaBrokerOptions, 'brokers' | 'ssl' | 'sasl'>

/** One address is enough. Throws BROKER_UNREACHABLE for the first one when none can be connected to. */
async function requireListener({ brokers }: Connection): Promise<void> {
  const attempts = await Promise.allSettled(brokers.map((address) => connected(address)))
  if (attempts.some(({ status }) => status === 'fulfilled')) return
  const [first] = attempts
  const [address = ''] = brokers
  if (first?.status === 'rejected') throw noListener(address, first.reason)
}

/** Why a broker that can be connected to could not be opened. */
async function explained(error: unknown, name: string, connection: Connection): Promise<StreamError | undefined> {
  const reason = factOf(error)
  if (/SASL|authenticat/i.test(reason)) return refusedLogin(reason, error)
  if (isStreamError(error) && error.code !== 'BROKER_UNREACHABLE') return undefined
  const [address = ''] = connection.brokers
  const tls = await tlsFailure(address, connection)
  const wantsTls = Boolean(connection.ssl)
  const unreachable = (fact: string, fix: string) =>
    new StreamError('BROKER_UNREACHABLE', `${name} ${fact}`, { fix, cause: error })
  if (tls === undefined && !wantsTls)
    return unreachable('expects TLS', 'Set `kafka.ssl: true`, or name the port of a listener without TLS.')
  if (!wantsTls && !connection.sasl)
    return unreachable(
      `accepts the connection and ends it: ${reason}`,
      'It may expect a user and a password (`kafka.sasl`), or be no Kafka: check the port.',
    )
  if (tls === undefined || !wantsTls) return undefined
  const { fact, fix } = failedHandshake(tls)
  return unreachable(fact, fix)
}

/** Why no connection with TLS could be made. */
function failedHandshake(error: unknown): Refusal {
  const refusal = refusalOf(reasonOf(error))
  const reason = refusal?.fact ?? reasonOf(error)
  if (isCertificateError(error)) {
    const authority =
      'Give the certificate of its authority in `kafka.ssl.ca` or `kafka.ssl.caFile`, and the name that is in the certificate in `--brokers`.'
    return { fact: `has a certificate that is not accepted: ${reason}`, fix: refusal?.fix ?? authority }
  }
  return {
    fact: `does not speak TLS, or ends it at once: ${reason}`,
    fix: 'Leave out `kafka.ssl`, or name the port of a listener with TLS; if there is one, give the certificate that it wants of its clients.',
  }
}

function refusedLogin(reason: string, cause: unknown): StreamError {
  return new StreamError('BROKER_DENIED', reason, {
    fix: 'Correct user, password and mechanism in `kafka.sasl`: the broker knows no such user, or not by this mechanism.',
    cause,
  })
}

/** Undefined when a handshake succeeds with these certificates; without `ssl` with whatever certificate there is. */
async function tlsFailure(address: string, { ssl }: Connection): Promise<unknown> {
  try {
    const options = typeof ssl === 'object' ? tlsOptionsOf(ssl) : {}
    await connected(address, ssl ? options : { rejectUnauthorized: false })
    return undefined
  } catch (error) {
    return error
  }
}

function isCertificateError(error: unknown): boolean {
  return /CERT|SELF_SIGNED|UNABLE_TO|ALTNAME/.test(codeOf(error))
}
