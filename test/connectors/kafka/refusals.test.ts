import { once } from 'node:events'
import { createServer as createPlainServer, type Server } from 'node:net'
import { type ConnectionOptions, connect, createServer } from 'node:tls'
import { expect, test } from 'vitest'
import { refusalOf } from '../../../src/connectors/kafka/refusals.ts'
import { CertificateAuthority } from '../../support/certificates.ts'

const authority = new CertificateAuthority()
const trusting = { ca: authority.cert }

function serverWith(validMs?: number): Server {
  return createServer(authority.issue({ name: 'broker', ...(validMs !== undefined && { validMs }) }))
}

/** What Node says when it connects. */
async function reasonFor(server: Server, options: ConnectionOptions): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const socket = connect({
    ...options,
    host: '127.0.0.1',
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
  })
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  socket.once('error', ({ message }) => resolve(message))
  socket.once('secureConnect', () => reject(new Error('it is accepted')))
  const reason = await promise
  server.close()
  return reason
}

test.each<[string, () => Server, ConnectionOptions, { readonly fact: RegExp; readonly fix: RegExp }]>([
  ['has expired', () => serverWith(-1_000), trusting, { fact: /of the broker has expired$/, fix: /clock/ }],
  ['is signed by somebody else', () => serverWith(), {}, { fact: /nobody who is trusted here/, fix: /ssl\.caFile/ }],
  [
    'is for another name',
    () => serverWith(),
    { ...trusting, servername: 'kafka.example.com' },
    { fact: /for another name$/, fix: /servername/ },
  ],
  [
    'is not there, because the port speaks no TLS',
    () => createPlainServer((socket) => socket.end('no TLS here, but more bytes than a record of it begins with')),
    trusting,
    { fact: /speaks no TLS/, fix: /port of a listener/ },
  ],
])('a certificate of the broker that %s has a sentence and a fix', async (_name, server, options, { fact, fix }) => {
  const reason = await reasonFor(server(), options)

  expect(refusalOf(reason)).toEqual({ fact: expect.stringMatching(fact), fix: expect.stringMatching(fix) })
})

test('what else can go wrong is told as it is', () => {
  expect(refusalOf('connect ECONNREFUSED 127.0.0.1:9092')).toBeUndefined()
})
