import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { qdrant } from '../../src/connectors/qdrant/sink.ts'
import type { Broker } from '../../src/runtime/broker.ts'
import { text } from '../contracts/broker/harness.ts'
import { holds, millrace, type RunningCommand, startMillrace } from '../support/command-line.ts'
import { kafkaDistribution } from '../support/kafka-distribution.ts'
import { freePorts, KafkaServer } from '../support/kafka-server.ts'
import { kafkaBrokers } from '../support/kafka-target.ts'
import { startQdrantDouble } from '../support/qdrant-double.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const run = promisify(execFile)

async function isRead(broker: Broker, topic: string, group: string): Promise<boolean> {
  const { partitions = 0 } = (await broker.topics([topic])).get(topic) ?? {}
  const places = Array.from({ length: partitions }, (_, partition) => ({ topic, partition }))
  const [ends, committed] = await Promise.all([broker.offsets(places), broker.committed(group, places)])
  return ends.every((end, at) => (committed[at]?.offset ?? 0) >= end.latest)
}

test.skipIf(kafkaBrokers.length === 0)('`run` of a pipeline file keeps a collection equal to a topic', async () => {
  await using folder = await temporaryDirectory()
  await using double = await startQdrantDouble()
  await using broker = kafkaBroker({ brokers: kafkaBrokers })
  await broker.open()
  const topic = `pipeline-${Date.now()}`
  const brokers = kafkaBrokers.join(',')
  const file = join(folder.path, 'millrace.yaml')
  await writeFile(
    file,
    `application: ${topic}
kafka: { brokers: "\${BROKERS}" }
source: { topic: ${topic}, format: file }
model: { hash: { dimensions: 32 } }
index: { qdrant: { collection: documents, url: "\${QDRANT_URL}" } }
runtime: { stateDirectory: ${join(folder.path, 'state')}, commitIntervalMs: 200 }
`,
  )

  // given: a topic with the documents of a folder
  const documents = join(folder.path, 'documents')
  await mkdir(documents)
  const write = (name: string, text: string) => writeFile(join(documents, name), text)
  const produce = () => millrace(['produce', documents, '--topic', topic, '--brokers', brokers, '--partitions', '2'])
  await Promise.all([write('a.md', 'Mills grind.'), write('b.md', 'Rivers flow.'), write('c.md', 'Wind blows.')])
  await produce()

  // when: the pipeline runs, one document changes and one is deleted
  const command = startMillrace(['run', file], { env: { BROKERS: brokers, QDRANT_URL: double.url } })
  await holds(() => isRead(broker, topic, topic), command)
  await Promise.all([write('b.md', 'Rivers turn mills.'), rm(join(documents, 'c.md'))])
  await produce()
  await holds(() => isRead(broker, topic, topic), command)
  command.child.kill('SIGTERM')
  const { code } = await command.result

  // then: the collection holds the last version of every document
  const index = qdrant({ collection: 'documents', url: double.url })
  await index.open({ id: '', dimensions: 32 })
  const points = await Array.fromAsync(index.scan())
  expect(code).toBe(0)
  expect(points.map(({ doc, payload }) => [doc, payload.content]).sort()).toEqual([
    ['a.md', 'Mills grind.'],
    ['b.md', 'Rivers turn mills.'],
  ])
  await index.close()
})

describe.skipIf(!inject('kafkaServers'))('a pipeline file for a Kafka that wants TLS and SCRAM', () => {
  const password = 'canary-password'
  let directory: TemporaryDirectory
  let server: KafkaServer
  let secured: string

  beforeAll(async () => {
    directory = await temporaryDirectory()
    const [plain = 0, secure = 0, controller = 0] = await freePorts(3)
    secured = `127.0.0.1:${secure}`
    const keystore = join(directory.path, 'keystore.p12')
    const store = ['-keystore', keystore, '-storepass', 'only-for-tests', '-alias', 'broker']
    const names = ['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1']
    await run('keytool', ['-genkeypair', '-keyalg', 'EC', '-storetype', 'PKCS12', ...store, ...names])
    await writeFile(join(directory.path, 'ca.pem'), (await run('keytool', ['-exportcert', '-rfc', ...store])).stdout)
    server = await KafkaServer.start({
      port: plain,
      settings: {
        'controller.quorum.voters': `1@127.0.0.1:${controller}`,
        listeners: `PLAINTEXT://127.0.0.1:${plain},SASL_SSL://${secured},CONTROLLER://127.0.0.1:${controller}`,
        'advertised.listeners': `PLAINTEXT://127.0.0.1:${plain},SASL_SSL://${secured}`,
        'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
        'ssl.keystore.type': 'PKCS12',
        'ssl.keystore.location': keystore,
        'ssl.keystore.password': 'only-for-tests',
        'sasl.enabled.mechanisms': 'SCRAM-SHA-512,OAUTHBEARER',
        'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config':
          'org.apache.kafka.common.security.scram.ScramLoginModule required;',
        // Takes tokens that nobody has signed.
        'listener.name.sasl_ssl.oauthbearer.sasl.jaas.config':
          'org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required;',
      },
    })
    const user = [
      '--alter',
      '--add-config',
      `SCRAM-SHA-512=[password=${password}]`,
      '--entity-type',
      'users',
      '--entity-name',
      'alice',
    ]
    const { classPath } = await kafkaDistribution()
    await run('java', ['-cp', classPath, 'kafka.admin.ConfigCommand', '--bootstrap-server', server.address, ...user])
    await using broker = kafkaBroker({ brokers: [server.address] })
    await broker.open()
    await broker.createTopics([{ topic: 'documents', partitions: 1 }])
    const producer = await broker.producer()
    await producer.send([text({ topic: 'documents', partition: 0 }, 'Mills grind.')])
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await directory?.[Symbol.asyncDispose]()
  })

  const at = (file: string) => join(directory.path, file)

  /** The user alice, with a password or token in a file. */
  async function scram(given: string): Promise<string> {
    await writeFile(at('password'), `${given}\n`)
    return `{ mechanism: scram-sha-512, username: alice, password: "\${file:${at('password')}}" }`
  }
  async function token(expiresInSeconds: number): Promise<string> {
    const part = (claims: object) => Buffer.from(JSON.stringify(claims)).toString('base64url')
    const now = Math.floor(Date.now() / 1000)
    await writeFile(
      at('token'),
      `${part({ alg: 'none' })}.${part({ sub: 'alice', iat: now - 3600, exp: now + expiresInSeconds })}.\n`,
    )
    return `{ mechanism: oauthbearer, tokenFile: ${at('token')} }`
  }

  /** Starts a pipeline whose secrets are files. */
  async function start(name: string, sasl: string): Promise<RunningCommand> {
    await writeFile(
      at(`${name}.yaml`),
      `application: ${name}
kafka:
  brokers: ${secured}
  connectionTimeoutMs: 1000
  ssl: { ca: "\${file:${at('ca.pem')}}" }
  sasl: ${sasl}
source: { topic: documents, format: text }
model: { hash: { dimensions: 32 } }
index: { sqlite: { path: ${at(`${name}.db`)} } }
runtime: { stateDirectory: ${at(`${name}.state`)}, commitIntervalMs: 100 }
`,
    )
    return startMillrace(['run', at(`${name}.yaml`), '--verbose'])
  }

  test.each<[string, () => Promise<string>]>([
    ['password', () => scram(password)],
    ['token', () => token(3600)],
  ])('runs with the right %s, and says it to nobody', async (name, sasl) => {
    await using broker = kafkaBroker({ brokers: [server.address] })
    await broker.open()

    const command = await start(name, await sasl())
    await holds(() => isRead(broker, 'documents', name), command)
    command.child.kill('SIGTERM')
    const { code, stdout, stderr } = await command.result

    expect(code).toBe(0)
    expect(stdout + stderr).not.toContain(await readFile(at(name), 'utf8').then((secret) => secret.trim()))
  })

  test.each<[string, () => Promise<string>]>([
    ['password', () => scram('canary-guess')],
    ['token', () => token(-60)],
  ])('ends with one sentence when the %s is wrong', async (name, sasl) => {
    const { code, stderr } = await (await start(`wrong-${name}`, await sasl())).result

    expect(code).toBe(1)
    expect(stderr).toMatch(/^BROKER_UNREACHABLE: .*(authentication|token).*$/im)
    expect(stderr).not.toContain(await readFile(at(name), 'utf8').then((secret) => secret.trim()))
  })
})
