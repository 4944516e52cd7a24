import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { systemClock } from '../../clock.ts'
import { reasonOf, StreamError } from '../../errors.ts'

const connectTimeoutMs = 3_000

/** Connects and hangs up; with `tls`, after a handshake. */
export async function connected(address: string, tls?: ConnectionOptions): Promise<void> {
  const colon = address.lastIndexOf(':')
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const place = { host, port: Number(address.slice(colon + 1)) }
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  // An address of numbers has no server name.
  const servername = isIP(host) ? {} : { servername: host }
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

/** The code of the system, or of TLS; empty when there is none. */
export function codeOf(error: unknown): string {
  // Several addresses of one name fail together.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return first instanceof Error && 'code' in first ? String(first.code) : ''
}

/** By the code of the system. */
const obstacles: Readonly<Record<string, readonly [fact: string, fix: string]>> = {
  ECONNREFUSED: [
    'nothing listens there',
    'Start the broker, or correct host and port where they are given: `--brokers`, the file, or KAFKA_BROKERS.',
  ],
  ENOTFOUND: ['its name is not known here', 'Correct the name of the host, or let this machine resolve it.'],
  EAI_AGAIN: ['the name server does not answer', 'Check the DNS of this machine.'],
  TIMEOUT: ['no answer came', 'Look for a firewall, a network policy or a wrong address between here and there.'],
}

/** Why no connection could be made to an address. */
export function noListener(address: string, cause: unknown): StreamError {
  const [fact, fix] = obstacles[codeOf(cause)] ?? [reasonOf(cause), 'Check the address and the network.']
  return new StreamError('BROKER_UNREACHABLE', `no connection to ${address}: ${fact}`, { fix, cause })
}
