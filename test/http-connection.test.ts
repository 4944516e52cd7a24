import { createServer, type IncomingMessage, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { ManualClock, systemClock } from '../src/clock.ts'
import { HttpConnection } from '../src/http-connection.ts'

const servers: { close(): Promise<void> }[] = []

/** A server on this machine, and the requests that it got. */
async function serverWith(answer: RequestListener) {
  const seen: IncomingMessage[] = []
  const server = createServer((request, response) => {
    seen.push(request)
    answer(request, response)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const close = () => {
    server.closeAllConnections()
    return new Promise<void>((resolve) => server.close(() => resolve()))
  }
  servers.push({ close })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}

function connectTo(url: string, clock = systemClock): HttpConnection {
  const headers = { authorization: 'Bearer secret' }
  return new HttpConnection({
    name: 'the mill',
    url,
    headers,
    apiKey: 'secret',
    clock,
    requestTimeoutMs: 60_000,
    unreachable: 'EMBED_FAILED',
  })
}

afterEach(() => Promise.all(servers.splice(0).map((server) => server.close())))

describe('one request', () => {
  test('carries headers and body, and gives whatever is answered', async () => {
    const { url, seen } = await serverWith((request, response) => {
      response.writeHead(418, { 'x-mill': 'wind' })
      request.pipe(response)
    })

    const { status, text, headers } = await connectTo(`${url}/`).request('POST', '/grind', { body: '{"sacks":2}' })

    expect({ status, text, mill: headers.get('x-mill') }).toEqual({ status: 418, text: '{"sacks":2}', mill: 'wind' })
    expect(seen[0]).toMatchObject({
      url: '/grind',
      headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
    })
  })

  test('breaks off an answer that is longer than it may be', async () => {
    let written = 0
    const { url } = await serverWith((_request, response) => {
      const more = () => {
        if (response.destroyed) return
        written += 65_536
        response.write('x'.repeat(65_536), () => setImmediate(more))
      }
      more()
    })
    const connection = connectTo(url)

    await expect(connection.request('GET', '/endless', { maxAnswerBytes: 100_000 })).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: `the mill at ${url} gives a longer answer than any should be: more than 100000 bytes`,
    })

    expect(written).toBeLessThan(50_000_000)
  })

  test('takes an answer that is just as long as it may be, in any letters', async () => {
    const { url } = await serverWith((_request, response) => response.end('мельница'))

    expect((await connectTo(url).request('GET', '/', { maxAnswerBytes: 16 })).text).toBe('мельница')
  })

  test('does not follow to another place, which would get the key', async () => {
    const other = await serverWith((_request, response) => response.end('mine now'))
    const { url } = await serverWith((_request, response) => response.writeHead(307, { location: other.url }).end())

    const { status } = await connectTo(url).request('GET', '/grind')

    expect(status).toBe(307)
    expect(other.seen).toEqual([])
  })

  test('that is answered late is given up, and told from one that nobody takes', async () => {
    const clock = new ManualClock()
    const { url } = await serverWith(() => clock.advance(60_000))
    const closed = await serverWith(() => undefined)
    await servers.at(-1)?.close()

    await expect(connectTo(url, clock).request('GET', '/')).rejects.toMatchObject({
      code: 'EMBED_FAILED',
      fact: `the mill at ${url} does not answer (no answer within 60 s)`,
      details: { isTimeout: true },
    })
    await expect(connectTo(closed.url).request('GET', '/')).rejects.toMatchObject({
      details: { isTimeout: false, isReset: false },
    })
  })

  test('of a caller that gives up rejects with the reason of its signal', async () => {
    const given = new AbortController()
    const arrived = Promise.withResolvers<void>()
    const { url } = await serverWith(() => arrived.resolve())

    const refused = expect(connectTo(url).request('GET', '/', { signal: given.signal })).rejects.toBe('enough')
    await arrived.promise
    given.abort('enough')

    await refused
  })

  test('whose connection breaks says so', async () => {
    const { url } = await serverWith((request) => request.socket.destroy())

    await expect(connectTo(url).request('GET', '/')).rejects.toMatchObject({ details: { isReset: true } })
  })
})
