import { once } from 'node:events'
import { rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createServer, type TLSSocket } from 'node:tls'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { CertificateFiles } from '../src/certificate-files.ts'
import { systemClock } from '../src/clock.ts'
import { kafkaBroker } from '../src/connectors/kafka/broker.ts'
import { Sockets } from '../src/connectors/kafka/sockets.ts'
import { silentLogger } from '../src/logger.ts'
import { type Certificate, CertificateAuthority } from './support/certificates.ts'
import { type TemporaryDirectory, temporaryDirectory } from './support/temporary-directory.ts'

const authority = new CertificateAuthority()
const expired = authority.issue({ name: 'expired', validMs: -1_000 })
const [first, second] = [authority.issue({ name: 'first' }), authority.issue({ name: 'second' })]

let folder: TemporaryDirectory
beforeEach(async () => {
  folder = await temporaryDirectory()
})
afterEach(() => folder[Symbol.asyncDispose]())

const paths = () => ({
  caFile: join(folder.path, 'ca.pem'),
  certFile: join(folder.path, 'client.pem'),
  keyFile: join(folder.path, 'client.key'),
})

async function put({ cert, key }: Partial<Certificate>): Promise<void> {
  const { caFile, certFile, keyFile } = paths()
  await writeFile(caFile, authority.cert)
  if (cert !== undefined) await writeFile(certFile, cert)
  if (key !== undefined) await writeFile(keyFile, key)
}

function watched() {
  const logger = { ...silentLogger, warn: vi.fn(), info: vi.fn() }
  return { logger, files: new CertificateFiles(paths(), { logger, clock: systemClock }) }
}

/** A server that wants a certificate, and says to whom it has spoken. */
async function mutualServer() {
  const { cert, key } = authority.issue({ name: 'server' })
  const callers: string[] = []
  const server = createServer({ cert, key, ca: authority.cert, requestCert: true }, (socket) => {
    callers.push(String(socket.getPeerCertificate().subject.CN))
    socket.on('error', () => undefined)
    socket.write('hello')
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return {
    callers,
    port: typeof address === 'object' ? (address?.port ?? 0) : 0,
    [Symbol.asyncDispose]: async () => {
      server.close()
      await once(server, 'close')
    },
  }
}

describe('certificates in files', () => {
  test('that have changed are used for new connections, while those that are open go on', async () => {
    await put(first)
    const { files, logger } = watched()
    await using server = await mutualServer()
    const sockets = new Sockets(() => files.current)
    const connect = async () => {
      const onConnect = () => undefined
      const socket = sockets.factory()({ host: '127.0.0.1', port: server.port, ssl: {}, onConnect })
      socket.on('error', () => undefined)
      await once(socket, 'data')
      return socket as TLSSocket
    }

    const before = await connect()
    await put(second)
    const after = await connect()

    expect(server.callers).toEqual(['first', 'second'])
    expect([before.destroyed, after.destroyed]).toEqual([false, false])
    expect(logger.info).toHaveBeenCalledOnce()
    sockets.destroy()
  })

  test.each<[string, () => Promise<unknown>, RegExp]>([
    ['is no certificate', () => put({ cert: 'nonsense' }), /PEM|start line/i],
    ['is one whose key has not come yet', () => put({ cert: second.cert }), /key values mismatch/],
    ['is gone', () => rm(paths().certFile), /ENOENT/],
    ['has expired', () => put(expired), /^the certificate of the client has expired at 20/],
  ])('are kept when the new one %s, with one warning', async (_name, spoil, reason) => {
    await put(first)
    const { files, logger } = watched()
    const before = files.current

    await spoil()
    const [meanwhile, again] = [files.current, files.current]
    await put(second)

    expect([meanwhile, again]).toEqual([before, before])
    expect(logger.warn).toHaveBeenCalledOnce()
    expect(logger.warn.mock.calls[0]?.[0]).toMatchObject({ reason: expect.stringMatching(reason) })
    expect(files.current).toMatchObject(second)
  })

  test('that are spoiled a second time are told of a second time', async () => {
    await put(first)
    const { files, logger } = watched()
    expect(files.current).toMatchObject(first)
    for (const certificate of [{ cert: 'nonsense' }, first, { cert: 'nonsense' }]) {
      await put(certificate)
      expect(files.current).toMatchObject(first)
    }

    expect(logger.warn).toHaveBeenCalledTimes(2)
  })

  test('that cannot be used from the beginning keep a broker from opening, in one sentence', async () => {
    await put({ cert: first.cert, key: second.key })
    const broker = kafkaBroker({ brokers: ['127.0.0.1:9'], ssl: paths() })

    await expect(broker.open()).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      fact: expect.stringMatching(/^the certificates in .*client\.pem.* cannot be used: .*key values mismatch$/),
    })
  })
})
