import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { type KafkaBrokerOptions, kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { text, valuesOf } from '../contracts/broker/harness.ts'
import { brokerKeys, CertificateAuthority } from '../support/certificates.ts'
import { documentFolder } from '../support/document-folder.ts'
import { KafkaServer } from '../support/kafka-server.ts'

describe.skipIf(!inject('kafkaServers'))('a Kafka that wants TLS and a password', () => {
  const authority = new CertificateAuthority()
  let server: KafkaServer

  beforeAll(async () => {
    server = await KafkaServer.start({
      settings: {
        ...brokerKeys(authority.issue({ name: 'broker' }), authority),
        'listener.security.protocol.map': 'PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.plaintext.plain.sasl.jaas.config':
          'org.apache.kafka.common.security.plain.PlainLoginModule required ' +
          'username="broker" password="secret" user_broker="secret" user_alice="wonder";',
      },
    })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  const client = (options: Partial<KafkaBrokerOptions>) =>
    kafkaBroker({
      brokers: [server.address],
      ssl: { ca: authority.cert },
      sasl: { mechanism: 'plain', username: 'alice', password: 'wonder' },
      connectionTimeoutMs: 1_000,
      ...options,
    })

  test('is written and read with both', async () => {
    await using broker = client({})
    await broker.open()
    const place = { topic: 'documents', partition: 0 }
    await broker.createTopics([{ topic: place.topic, partitions: 1 }])
    const producer = await broker.producer()
    await producer.send([text(place, 'secret')])

    const values: unknown[] = []
    for await (const { records } of broker.read(place, 0)) values.push(...valuesOf(records))

    expect(values).toEqual(['secret'])
  })

  test.each<[string, Partial<KafkaBrokerOptions>, RegExp]>([
    [
      'the password is wrong',
      { sasl: { mechanism: 'plain', username: 'alice', password: 'guess' } },
      /authentication has failed: the broker does not know the user, or not with this password/,
    ],
    [
      'its certificate is not trusted',
      { ssl: true },
      /nobody who is trusted here has signed the certificate of the broker$/,
    ],
    ['the client does not speak TLS', { ssl: false }, /.+/],
  ])('cannot be opened when %s', async (_name, options, reason) => {
    const opening = client(options).open()

    await expect(opening).rejects.toMatchObject({
      code: 'BROKER_UNREACHABLE',
      fact: expect.stringMatching(reason),
    })
    await expect(opening).rejects.not.toThrow(/guess|wonder/)
  })

  test.each([
    ['the password of a file', 'wonder\n', 0, /"written":1/],
    ['another one, and says why not', 'guess\n', 1, /^BROKER_\w+: .*authentication/im],
  ])('is written by `produce` with %s', async (_name, secret, expected, said) => {
    await using folder = await documentFolder({ 'docs/a.md': 'A.', 'ca.pem': authority.cert, password: secret })
    const sasl = `{ mechanism: plain, username: alice, password: "\${file:password}" }`
    await folder.put(
      'kafka.yaml',
      `kafka:\n  brokers: ${server.address}\n  ssl: { ca: "\${file:ca.pem}" }\n  sasl: ${sasl}\n`,
    )

    const result = await folder.run(
      'produce',
      'docs',
      '--topic',
      'produced',
      '--partitions',
      '1',
      '--kafka',
      'kafka.yaml',
    )

    expect(result).toMatchObject({ code: expected })
    expect(expected === 0 ? result.stdout : result.stderr).toMatch(said)
    expect(result.stderr).not.toMatch(/guess|wonder/)
  })
})
