import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, inject, test, vi } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import type { TlsOptions } from '../../src/connectors/kafka/tls-options.ts'
import { silentLogger } from '../../src/logger.ts'
import { text, valuesOf } from '../contracts/broker/harness.ts'
import { brokerKeys, CertificateAuthority } from '../support/certificates.ts'
import { KafkaServer } from '../support/kafka-server.ts'
import { type TemporaryDirectory, temporaryDirectory } from '../support/temporary-directory.ts'

const authority = new CertificateAuthority()
const stranger = new CertificateAuthority('stranger')
const place = { topic: 'documents', partition: 0 }

describe.skipIf(!inject('kafkaServers'))('a Kafka that wants a certificate of its clients', () => {
  let server: KafkaServer
  let folder: TemporaryDirectory

  beforeAll(async () => {
    folder = await temporaryDirectory()
    server = await KafkaServer.start({
      settings: {
        ...brokerKeys(authority.issue({ name: 'broker' }), authority),
        'listener.security.protocol.map': 'PLAINTEXT:SSL,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
        'ssl.client.auth': 'required',
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:CN=broker;User:CN=alice',
      },
    })
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await folder[Symbol.asyncDispose]()
  })

  const client = (ssl: TlsOptions, logger = silentLogger) =>
    kafkaBroker({ brokers: [server.address], ssl: { ca: authority.cert, ...ssl }, connectionTimeoutMs: 1_000, logger })

  test('is written and read with files, also once they are renewed, and while a renewal is half done', async () => {
    const [certFile, keyFile] = [join(folder.path, 'client.pem'), join(folder.path, 'client.key')]
    const put = async ({ cert, key }: { cert: string; key: string }) => {
      await writeFile(certFile, cert)
      await writeFile(keyFile, key)
    }
    const logger = { ...silentLogger, warn: vi.fn() }
    await put(authority.issue({ name: 'alice' }))
    await using broker = client({ certFile, keyFile }, logger)
    await broker.open()
    await broker.createTopics([{ topic: place.topic, partitions: 1 }])
    const write = async (value: string) => {
      const producer = await broker.producer()
      await producer.send([text(place, value)])
      await producer.close()
    }

    await write('before')
    await writeFile(certFile, 'half of')
    await write('meanwhile')
    await put(authority.issue({ name: 'alice' }))
    await write('after')

    const values: unknown[] = []
    for await (const { records } of broker.read(place, 0)) values.push(...valuesOf(records))
    expect(values).toEqual(['before', 'meanwhile', 'after'])
    expect(logger.warn).toHaveBeenCalledOnce()
  })

  test('tells clients that it does not want, and those that do not want it, in one sentence', async () => {
    const alice = authority.issue({ name: 'alice' })
    const sentences: readonly (readonly [ssl: TlsOptions, fact: RegExp, fix: RegExp])[] = [
      [{}, /wants a certificate of the client$/, /ssl\.certFile/],
      [authority.issue({ name: 'alice', validMs: -1_000 }), /certificate of the client: it has expired, or/, /Renew/],
      [stranger.issue({ name: 'alice' }), /or its authority is not known there$/, /let the broker trust/],
      [{ ...alice, ca: stranger.cert }, /nobody who is trusted here has signed/, /ssl\.caFile/],
    ]

    const errors = await Promise.all(
      sentences.map(([ssl]) =>
        client(ssl)
          .open()
          .catch((error: unknown) => error),
      ),
    )

    for (const [at, [, fact, fix]] of sentences.entries())
      expect(errors[at]).toMatchObject({
        code: 'BROKER_UNREACHABLE',
        fact: expect.stringMatching(new RegExp(`^no connection to kafka \\S+: .*${fact.source}`)),
        fix: expect.stringMatching(fix),
      })
  })

  test('tells a client whose certificate names somebody without the right, in one sentence', async () => {
    await using broker = client(authority.issue({ name: 'bob' }))
    await broker.open()

    await expect(broker.createTopics([{ topic: 'secrets', partitions: 1 }])).rejects.toMatchObject({
      code: 'BROKER_DENIED',
      message: expect.stringMatching(/TOPIC_AUTHORIZATION_FAILED\. Allow .* Create on those that begin with the name/),
    })
  })
})
