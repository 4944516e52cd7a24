import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import { kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { KafkaClientFactory, retries } from '../../src/connectors/kafka/client.ts'
import { type Logger, silentLogger } from '../../src/logger.ts'
import { StreamRuntime } from '../../src/runtime/stream-runtime.ts'
import { text } from '../contracts/broker/harness.ts'
import { plainTopologyTo } from '../support/instance.ts'
import { KafkaServer } from '../support/kafka-server.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { inTopic } from '../support/scripted-group.ts'

const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admin" '

// The numbers of the protocol, as KafkaJS's enumerations have them.
const deny = { operation: 2, permissionType: 2, principal: 'User:alice', host: '*', resourcePatternType: 3 }
const topic = 2
const transactionalId = 5

describe.skipIf(!inject('kafkaServers'))('a Kafka that denies something', () => {
  let server: KafkaServer
  beforeAll(async () => {
    server = await KafkaServer.start({
      settings: {
        'listener.security.protocol.map': 'PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.plaintext.plain.sasl.jaas.config': `${jaas} user_admin="admin" user_alice="wonder";`,
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:admin',
        'allow.everyone.if.no.acl.found': 'true',
      },
    })
  })
  afterAll(() => server?.[Symbol.asyncDispose]())

  const as = (username: string, password: string) => ({
    brokers: [server.address],
    sasl: { mechanism: 'plain' as const, username, password },
  })

  const warnings: object[] = []
  const telling: Logger = { ...silentLogger, warn: (facts) => void warnings.push(facts) }

  async function administer<T>(
    action: (admin: ReturnType<ReturnType<KafkaClientFactory['kafka']>['admin']>) => Promise<T>,
  ) {
    const admin = new KafkaClientFactory(as('admin', 'admin')).kafka(retries.request).admin()
    await admin.connect()
    await action(admin)
    await admin.disconnect()
  }

  test('a look at what transactions have left: producers write all the same, and it is said once', async () => {
    const acl = { ...deny, resourceType: topic, resourcePatternType: 3 }
    const [read, allow] = [3, 3]
    await using broker = kafkaBroker({ ...as('alice', 'wonder'), logger: telling })
    await broker.open()
    await broker.createTopics([{ topic: 'unreadable', partitions: 1 }])
    await broker.committed('group', [{ topic: 'unreadable', partition: 0 }])
    await administer((admin) =>
      admin.createAcls({
        acl: [
          { ...acl, resourceName: '__transaction_state' },
          { ...acl, resourceName: '__consumer_offsets' },
          { ...acl, resourceName: 'unreadable', permissionType: allow },
          { ...acl, resourceName: 'unreadable', operation: read },
        ],
      }),
    )
    const place = { topic: 'unreadable', partition: 0 }
    const transactionScope = { partitions: [place], group: 'group' }

    for (const round of ['first', 'second']) {
      const producer = await broker.producer({ transactionalId: 'blind', transactionScope })
      const transaction = await producer.begin()
      await transaction.send([text(place, round)])
      await transaction.commit()
      await producer.close()
    }

    expect((await broker.offsets([place]))[0]?.latest).toBe(4)
    expect(warnings).toEqual([{ topics: ['unreadable', '__consumer_offsets'] }])
  }, 30_000)

  test('a transactional id: exactly_once ends with one error that says which right is missing', async () => {
    await administer((admin) =>
      admin.createAcls({ acl: [{ ...deny, resourceType: transactionalId, resourceName: '*' }] }),
    )
    await using broker = kafkaBroker(as('alice', 'wonder'))
    await broker.open()
    await broker.createTopics([{ topic: inTopic, partitions: 1 }])
    const topology = plainTopologyTo(new RecordingSink())
    const runtime = new StreamRuntime({
      topology,
      broker,
      application: 'denied',
      stateInMemory: true,
      processingGuarantee: 'exactly_once',
    })

    await expect(runtime.start()).rejects.toMatchObject({
      code: 'BROKER_DENIED',
      message: expect.stringMatching(
        /"denied-0_0" failed: TRANSACTIONAL_ID_AUTHORIZATION_FAILED\. Allow Describe and Write/,
      ),
    })
  }, 30_000)
})
