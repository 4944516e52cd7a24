import { once } from 'node:events'
import { connect } from 'node:net'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/clock.ts'
import { silentLogger } from '../../src/logger.ts'
import { HttpServer, json } from '../../src/serve/http-server.ts'

function open(port = 0): Promise<HttpServer> {
  const routes = {
    '/one': () => json(200, { one: 1 }),
    '/broken': () => {
      throw new Error('secret of the house')
    },
    '/slow': () => new Promise<never>(() => undefined),
  }
  return HttpServer.open({ port, host: '127.0.0.1', routes, clock: systemClock, logger: silentLogger })
}

/** What a server says to a request that no client would write. */
async function said(url: string, request: string): Promise<string> {
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.setEncoding('utf8').write(request)
  let text = ''
  socket.on('data', (piece: string) => (text += piece))
  await once(socket, 'close')
  return text
}

describe('the HTTP server of an instance', () => {
  test('answers GET, and HEAD without a body', async () => {
    await using server = await open()

    const got = await fetch(`${server.url}/one?at=now`)
    const head = await fetch(`${server.url}/one`, { method: 'HEAD' })

    expect([got.status, await got.json()]).toEqual([200, { one: 1 }])
    expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', ''])
  })

  test('knows its own paths only, and names them', async () => {
    await using server = await open()

    for (const path of ['/', '/one/', '/ONE', '/__proto__', '/constructor', '/%6fne']) {
      const answer = await fetch(`${server.url}${path}`)
      expect([answer.status, await answer.json()]).toEqual([
        404,
        { error: 'not found', paths: ['/one', '/broken', '/slow'] },
      ])
    }
  })

  test.each(['POST', 'PUT', 'DELETE', 'OPTIONS'])('refuses %s', async (method) => {
    await using server = await open()

    const answer = await fetch(`${server.url}/one`, { method })

    expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  })

  test('says nothing of what went wrong inside', async () => {
    await using server = await open()

    const answer = await fetch(`${server.url}/broken`)

    expect(answer.status).toBe(500)
    expect(await answer.text()).not.toContain('secret')
  })

  test('takes no headers beyond 8 KiB, and nothing that is not HTTP', async () => {
    await using server = await open()

    const large = await said(server.url, `GET /one HTTP/1.1\r\nhost: a\r\nx: ${'x'.repeat(9_000)}\r\n\r\n`)
    const garbage = await said(server.url, 'hello\r\n\r\n')

    expect(large).toMatch(/^HTTP\/1\.1 431/)
    expect(garbage).toMatch(/^HTTP\/1\.1 400/)
  })

  test('says in one sentence that its port is taken', async () => {
    await using server = await open()
    const { port } = new URL(server.url)

    await expect(open(Number(port))).rejects.toMatchObject({ code: 'CONFIG_INVALID', exitCode: 78 })
    await expect(open(Number(port))).rejects.toThrow(`cannot listen on 127.0.0.1:${port}`)
  })

  test('closes although an answer never comes', async () => {
    const server = await open()
    const asked = fetch(`${server.url}/slow`).then(
      () => 'answered',
      () => 'cut off',
    )
    await fetch(`${server.url}/one`)

    await server.close()
    await server.close()

    expect(await asked).toBe('cut off')
  })
})
