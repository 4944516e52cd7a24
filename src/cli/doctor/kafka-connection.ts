import { connect as connectTcp, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { systemClock } from '../../clock.ts'
import { type KafkaBrokerOptions, kafkaBroker } from '../../connectors/kafka/broker.ts'
import { tlsOptionsOf } from '../../connectors/kafka/certificate-files.ts'
import { isStreamError, reasonOf, StreamError } from '../../errors.ts'
import type { Broker } from '../../runtime/broker.ts'
import { type Check, ok } from './check.ts'

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

const connectTimeoutMs = 3_000

/** One address is enough. Throws BROKER_UNREACHABLE for the first one when none can be connected to. */
async function requireListener({ brokers }: Connection): Promise<void> {
  const attempts = await Promise.allSettled(brokers.map((address) => connected(address)))
  if (attempts.some(({ status }) => status === 'fulfilled')) return
  const [first] = attempts
  const [address = ''] = brokers
  if (first?.status === 'rejected') throw noListener(address, first.reason)
}

/** By the code of the system. */
const obstacles: Readonly<Record<string, readonly [fact: string, fix: string]>> = {
  ECONNREFUSED: ['nothing listens there', 'Start the broker, or correct the host and the port in `--brokers`.'],
  ENOTFOUND: ['its name is not known here', 'Correct the name of the host, or let this machine resolve it.'],
  EAI_AGAIN: ['the name server does not answer', 'Check the DNS of this machine.'],
  TIMEOUT: ['no answer came', 'Look for a firewall, a network policy or a wrong address between here and there.'],
}

function noListener(address: string, cause: unknown): StreamError {
  const [fact, fix] = obstacles[codeOf(cause)] ?? [reasonOf(cause), 'Check the address and the network.']
  return new StreamError('BROKER_UNREACHABLE', `no connection to ${address}: ${fact}`, { fix, cause })
}

/** Why a broker that can be connected to could not be opened. */
async function explained(error: unknown, name: string, connection: Connection): Promise<StreamError | undefined> {
  const reason = isStreamError(error) ? error.fact : reasonOf(error)
  if (/SASL|authenticat/i.test(reason)) return refusedLogin(reason, error)
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
  if (isCertificateError(tls))
    return unreachable(
      `has a certificate that is not accepted: ${reasonOf(tls)}`,
      'Give the certificate of its authority in `kafka.ssl.ca` or `kafka.ssl.caFile`, and the name that is in the certificate in `--brokers`.',
    )
  return unreachable('does not speak TLS', 'Leave out `kafka.ssl`, or name the port of a listener with TLS.')
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

/** Connects and hangs up; with `tls`, after a handshake. */
async function connected(address: string, tls?: ConnectionOptions): Promise<void> {
  const [host = '', port] = address.split(':')
  const place = { host, port: Number(port) }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // An address of numbers has no server name.
  const servername = /^[\d.]+$/.test(host) ? {} : { servername: host }
  const socket: Socket = tls ? connectTls({ ...servername, ...tls, ...place }, resolve) : connectTcp(place, resolve)
  const timeout = Object.assign(new Error('no answer'), { code: 'TIMEOUT' })
  const cancel = systemClock.after(connectTimeoutMs, () => socket.destroy(timeout))
  socket.once('error', reject).once('close', () => reject(new Error('the connection was closed')))
  try {
    await promise
  } finally {
    cancel()
    socket.destroy()
  }
}

function codeOf(error: unknown): string {
  // Several addresses of one name fail together.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof Error && 'code' in first ? String(first.code) : ''
}
