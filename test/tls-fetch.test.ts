import { writeFile } from 'node:fs/promises'
import type { RequestListener } from 'node:http'
import { createServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import { ManualClock, systemClock } from '../src/clock.ts'
import { HttpConnection } from '../src/http-connection.ts'
import type { HttpTlsOptions } from '../src/tls-fetch.ts'
import { type Certificate, CertificateAuthority } from './support/certificates.ts'
import { temporaryDirectory } from './support/temporary-directory.ts'

let authority: CertificateAuthority
let server: Certificate
let client: Certificate
beforeAll(() => {
  authority = new CertificateAuthority()
  server = authority.issue({ name: 'server' })
  client = authority.issue({ name: 'client' })
})

const closers: (() => Promise<unknown>)[] = []
afterEach(() => Promise.all(closers.splice(0).map((close) => close())))

async function serverWith(answer: RequestListener, options: ServerOptions = {}): Promise<string> {
  const https = createServer({ ...server, ...options }, answer)
  await new Promise<void>((resolve) => https.listen(0, '127.0.0.1', resolve))
  closers.push(() => {
    https.closeAllConnections()
    return new Promise((resolve) => https.close(resolve))
  })
  return `https://127.0.0.1:${(https.address() as AddressInfo).port}`
}

function connectTo(url: string, tls?: HttpTlsOptions, clock = systemClock): HttpConnection {
  const headers = { authorization: 'Basic secret' }
  return new HttpConnection({
    ...{ name: 'the mill', url, headers, apiKey: 'secret', tls, clock },
    requestTimeoutMs: 60_000,
    unreachable: 'REGISTRY_UNREACHABLE',
  })
}

describe('a server with a certificate of its own authority', () => {
  test('is reached by those who trust that, with headers and body', async () => {
    const url = await serverWith((request, response) => {
      response.writeHead(418, { 'x-mill': String(request.headers.authorization), 'set-cookie': ['a=1', 'b=2'] })
      request.pipe(response)
    })

    const { status, text, headers } = await connectTo(url, { ca: authority.cert }).request('POST', '/', { body: '"ü"' })

    expect([status, text, headers.get('x-mill'), headers.getSetCookie()]).toEqual([
      418,
      '"ü"',
      'Basic secret',
      ['a=1', 'b=2'],
    ])
  })

  test('is not reached by others', async () => {
    const url = await serverWith((_, response) => response.end())
    const stranger = new CertificateAuthority('stranger')

    for (const tls of [undefined, { ca: stranger.cert }]) {
      await expect(connectTo(url, tls).request('GET', '/')).rejects.toMatchObject({
        code: 'REGISTRY_UNREACHABLE',
        message: expect.stringMatching(/certificate/),
      })
    }
  })

  test('may ask for one of the client', async () => {
    const url = await serverWith((_, response) => response.end('come in'), {
      requestCert: true,
      ca: authority.cert,
    })

    expect((await connectTo(url, { ca: authority.cert, ...client }).request('GET', '/')).text).toBe('come in')
    await expect(connectTo(url, { ca: authority.cert }).request('GET', '/')).rejects.toMatchObject({
      code: 'REGISTRY_UNREACHABLE',
    })
  })

  test('may ask for one of the client that is in a file, and gets the new one when that was renewed', async () => {
    await using folder = await temporaryDirectory()
    const [certFile, keyFile] = [join(folder.path, 'client.pem'), join(folder.path, 'client.key')]
    const put = async ({ cert, key }: Certificate) => {
      await writeFile(certFile, cert)
      await writeFile(keyFile, key)
    }
    const answer: RequestListener = ({ socket }, response) =>
      response.end((socket as TLSSocket).getPeerCertificate().subject.CN)
    const url = await serverWith(answer, { requestCert: true, ca: authority.cert })
    await put(client)
    const connection = connectTo(url, { ca: authority.cert, certFile, keyFile })
    const caller = async () => (await connection.request('GET', '/')).text

    const before = [await caller(), await caller()]
    await put(authority.issue({ name: 'renewed' }))
    const after = await caller()
    await writeFile(certFile, 'nonsense')

    expect([...before, after, await caller()]).toEqual(['client', 'client', 'renewed', 'renewed'])
  })

  test('has a deadline, and is not followed to another place', async () => {
    const clock = new ManualClock()
    const url = await serverWith((request, response) => {
      if (request.url === '/slow') clock.advance(60_000)
      else response.writeHead(302, { location: '/slow' }).end()
    })
    const connection = connectTo(url, { ca: authority.cert }, clock)

    expect((await connection.request('GET', '/moved')).status).toBe(302)
    await expect(connection.request('GET', '/slow')).rejects.toThrow('no answer within 60 s')
  })

  test('may answer with nothing', async () => {
    const url = await serverWith((_, response) => response.writeHead(204).end())

    expect(await connectTo(url, { ca: authority.cert }).request('GET', '/')).toMatchObject({ status: 204, text: '' })
  })
})

test.each([
  [
    'certificates that are none',
    'https://mill',
    { ca: 'nonsense', cert: 'nonsense', key: 'nonsense' },
    /certificates for the mill cannot be used/,
  ],
  ['certificates for plain http', 'http://127.0.0.1', { ca: '' }, /is not https/],
])('%s are refused at once', (_, url, tls, message) => {
  expect(() => connectTo(url, tls)).toThrow(message)
})
