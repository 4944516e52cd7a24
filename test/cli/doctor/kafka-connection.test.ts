import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach, expect, test } from 'vitest'
import { openKafka } from '../../../src/cli/doctor/kafka-connection.ts'
import { CertificateAuthority } from '../../support/certificates.ts'
import { millraceHere } from '../../support/command-here.ts'
import { FastClock } from '../../support/fast-clock.ts'
import { temporaryDirectory } from '../../support/temporary-directory.ts'

const servers: Server[] = []
afterEach(() => {
  for (const server of servers.splice(0)) server.close()
})

const authority = new CertificateAuthority()
const hangUp = (socket: Socket) => socket.once('data', () => socket.destroy()).on('error', () => undefined)

/** A server that is no Kafka: it ends every connection at the first byte. */
function stranger(): Promise<string> {
  return listening(createServer(hangUp))
}

function strangerWithTls(): Promise<string> {
  return listening(createTlsServer(authority.issue({ name: 'stranger' }), hangUp))
}

async function listening(server: Server): Promise<string> {
  servers.push(server)
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const address = server.address()
  return `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`
}

async function nobody(): Promise<string> {
  const address = await stranger()
  const server = servers.pop()
  await new Promise((resolve) => server?.close(resolve))
  return address
}

test('where nothing listens the broker, or its address, has to be corrected', async () => {
  await expect(openKafka({ brokers: [await nobody()] })).rejects.toMatchObject({
    code: 'BROKER_UNREACHABLE',
    fact: expect.stringMatching(/no connection to 127\.0\.0\.1:\d+: nothing listens there/),
    fix: expect.stringMatching(/Start the broker, or correct/),
  })
})

test('a name that nobody knows is said to be one', async () => {
  await expect(openKafka({ brokers: ['no-such-host.invalid:9092'] })).rejects.toMatchObject({
    fact: expect.stringMatching(/its name is not known here|the name server does not answer/),
  })
})

test('what ends the connection may be a wrong port, or want a password', async () => {
  await expect(openKafka({ brokers: [await stranger()], clock: new FastClock(30) })).rejects.toMatchObject({
    fact: expect.stringMatching(/accepts the connection and ends it/),
    fix: expect.stringMatching(/`kafka\.sasl`.*check the port/),
  })
})

test('what speaks no TLS is said to', async () => {
  await expect(openKafka({ brokers: [await stranger()], ssl: true, clock: new FastClock(30) })).rejects.toMatchObject({
    fact: expect.stringMatching(/does not speak TLS/),
    fix: expect.stringMatching(/Leave out `kafka\.ssl`/),
  })
})

test.each([
  ['of another authority', new CertificateAuthority().cert, /certificate that is not accepted/],
  ['of the right one', authority.cert, /(?<!not accepted.*)$/],
])('a certificate in a file, %s, is looked at like one in the options', async (_name, trusted, fact) => {
  await using folder = await temporaryDirectory()
  const caFile = join(folder.path, 'ca.pem')
  await writeFile(caFile, trusted)

  const opening = openKafka({ brokers: [await strangerWithTls()], ssl: { caFile }, clock: new FastClock(30) })

  await expect(opening).rejects.toMatchObject({ fact: expect.stringMatching(fact) })
})

test('a certificate that has expired is to be renewed', async () => {
  const expired = createTlsServer(authority.issue({ name: 'stranger', validMs: -1 }), hangUp)

  const opening = openKafka({
    brokers: [await listening(expired)],
    ssl: { ca: authority.cert },
    clock: new FastClock(30),
  })

  await expect(opening).rejects.toMatchObject({
    fact: expect.stringMatching(/certificate of the broker has expired/),
    fix: expect.stringMatching(/^Renew it/),
  })
})

test('certificates that cannot be read are said to be missing', async () => {
  const brokers = [await strangerWithTls()]

  const opening = openKafka({ brokers, ssl: { caFile: '/no/such/ca.pem' }, clock: new FastClock(30) })

  await expect(opening).rejects.toMatchObject({ code: 'CONFIG_INVALID', fact: expect.stringMatching(/ca\.pem/) })
})

test('the command ends with 1 for a problem, and with lines of JSON when asked', async () => {
  const { stdout, code } = await millraceHere(['doctor', '--brokers', await nobody(), '--json'])

  const findings = stdout.trimEnd().split('\n')
  expect(code).toBe(1)
  expect(findings.map((line) => JSON.parse(line))).toMatchObject([
    { check: 'node', level: 'ok' },
    { check: 'kafka', level: 'problem', code: 'BROKER_UNREACHABLE' },
    { check: 'brokers', level: 'skipped' },
  ])
})

test('without a file and without brokers it looks at this machine, and ends with 0', async () => {
  const { stdout, code } = await millraceHere(['doctor'], { KAFKA_BROKERS: '' })

  expect(code).toBe(0)
  expect(stdout).toMatch(/^ok +node +Node .*\n0 problems, 0 warnings, 1 ok\n$/)
})

test('a file that is wrong is refused before anything is looked at', async () => {
  expect(await millraceHere(['doctor', 'missing.yaml'])).toMatchObject({ code: 78, stdout: '' })
})
