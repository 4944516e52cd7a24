import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { AclEntry, Admin } from 'kafkajs'
import { afterAll, afterEach, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Report } from '../../src/cli/doctor/examine.ts'
import { thisMachine } from '../../src/cli/doctor/machine.ts'
import { atKafka, diagnose } from '../../src/cli/doctor.ts'
import { parseSettings, type RuntimeSettingsInput } from '../../src/config.ts'
import { type KafkaBrokerOptions, kafkaBroker } from '../../src/connectors/kafka/broker.ts'
import { administer, KafkaClientFactory } from '../../src/connectors/kafka/client.ts'
import { dedupe } from '../../src/operators/dedupe.ts'
import { evenAssignor, TestMember } from '../contracts/broker/member.ts'
import { complaintsOf } from '../support/doctor-bench.ts'
import { FastClock } from '../support/fast-clock.ts'
import { topologyTo } from '../support/instance.ts'
import { freePorts, KafkaServer } from '../support/kafka-server.ts'
import { RecordingSink } from '../support/recording-sink.ts'
import { inTopic } from '../support/scripted-group.ts'

const run = promisify(execFile)
const password = 'only-for-tests'
const jaas = 'org.apache.kafka.common.security.plain.PlainLoginModule required username="admin" password="admin" '

// The numbers of the protocol, as KafkaJS's enumerations have them.
const kinds = { topic: 2, group: 3, cluster: 4, transactionalId: 5 }
const operations = { all: 2, read: 3, write: 4, create: 5 }
const toAlice = { principal: 'User:alice', host: '*', resourcePatternType: 3 }
const permissions = { deny: 2, allow: 3 }

/**
 * One broker with three doors: a password at the first, TLS and a password at the second; the third sends everybody away. Alice may do
 * what is not denied.
 */
describe.skipIf(!inject('kafkaServers'))('doctor before a Kafka that wants TLS, a password and rights', () => {
  let directory: string
  let server: KafkaServer
  let certificate: string
  let tlsAddress: string
  let awayAddress: string

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'millrace-keys-'))
    const keystore = join(directory, 'keystore.p12')
    const store = ['-keystore', keystore, '-storepass', password, '-alias', 'broker']
    const names = ['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1']
    await run('keytool', ['-genkeypair', '-keyalg', 'EC', '-storetype', 'PKCS12', ...store, ...names])
    certificate = (await run('keytool', ['-exportcert', '-rfc', ...store])).stdout
    const [port = 0, tlsPort = 0, awayPort = 0, controllerPort = 0] = await freePorts(4)
    tlsAddress = `127.0.0.1:${tlsPort}`
    awayAddress = `127.0.0.1:${awayPort}`
    const doors = `PLAINTEXT://127.0.0.1:${port},SAFE://${tlsAddress}`
    server = await KafkaServer.start({
      port,
      settings: {
        listeners: `${doors},AWAY://${awayAddress},CONTROLLER://127.0.0.1:${controllerPort}`,
        'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
        'advertised.listeners': `${doors},AWAY://no-such-host.invalid:9092`,
        'listener.security.protocol.map': 'PLAINTEXT:SASL_PLAINTEXT,AWAY:PLAINTEXT,SAFE:SASL_SSL,CONTROLLER:PLAINTEXT',
        'inter.broker.listener.name': 'PLAINTEXT',
        'ssl.keystore.type': 'PKCS12',
        'ssl.keystore.location': keystore,
        'ssl.keystore.password': password,
        'sasl.enabled.mechanisms': 'PLAIN',
        'sasl.mechanism.inter.broker.protocol': 'PLAIN',
        'listener.name.plaintext.plain.sasl.jaas.config': `${jaas} user_admin="admin" user_alice="wonder";`,
        'listener.name.safe.plain.sasl.jaas.config': `${jaas} user_admin="admin" user_alice="wonder";`,
        'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
        'super.users': 'User:ANONYMOUS;User:admin',
        'allow.everyone.if.no.acl.found': 'true',
      },
    })
    await using broker = kafkaBroker(as('admin', 'admin'))
    await broker.open()
    await broker.createTopics([{ topic: inTopic, partitions: 2 }])
  })
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]()
    await rm(directory, { recursive: true, force: true })
  })

  const as = (username: string, secret: string): KafkaBrokerOptions => ({
    brokers: [server.address],
    sasl: { mechanism: 'plain', username, password: secret },
    connectionTimeoutMs: 1_000,
  })
  const alice = () => as('alice', 'wonder')
  const asAdmin = <T>(action: (admin: Admin) => Promise<T>) =>
    administer(new KafkaClientFactory(as('admin', 'admin')), action)

  const topology = topologyTo(new RecordingSink(), (stream) => stream.process(dedupe('seen')))

  /** What doctor complains of, as alice or somebody else. */
  async function complaints(
    options: KafkaBrokerOptions,
    settings: Partial<RuntimeSettingsInput> = {},
  ): Promise<readonly Report[]> {
    const program = {
      topology,
      settings: parseSettings({ application: 'app', stateDirectory: directory, ...settings }),
    }
    const reports = await diagnose({ machine: thisMachine, program, ...atKafka(options) }, 60_000)
    return complaintsOf(reports).filter(
      ({ level, check }) => level !== 'skipped' && check !== 'memory' && check !== 'disk',
    )
  }

  test('all is well where alice may do everything, through both doors', async () => {
    expect(await complaints(alice())).toEqual([])
    expect(await complaints({ ...alice(), brokers: [tlsAddress], ssl: { ca: certificate } })).toEqual([])
    expect(await asAdmin((admin) => admin.listTopics())).not.toContain('app-seen-changelog')
  })

  test.each<[string, () => KafkaBrokerOptions, RegExp, RegExp]>([
    ['the broker expects TLS', () => ({ ...alice(), brokers: [tlsAddress] }), /expects TLS/, /Set `kafka\.ssl: true`/],
    ['the broker speaks no TLS', () => ({ ...alice(), ssl: true }), /does not speak TLS/, /Leave out `kafka\.ssl`/],
    [
      'nobody has signed the certificate',
      () => ({ ...alice(), brokers: [tlsAddress], ssl: true }),
      /certificate that is not accepted/,
      /`ssl\.caFile` or `ssl\.ca`/,
    ],
    ['the password is wrong', () => as('alice', 'guess'), /[Aa]uthentication/, /Correct user, password and mechanism/],
    [
      'no password is given',
      () => ({ brokers: [server.address], connectionTimeoutMs: 1_000 }),
      /accepts the connection and ends it/,
      /`kafka\.sasl`/,
    ],
  ])('it finds that %s', async (_, options, fact, fix) => {
    const found = await complaints({ ...options(), clock: new FastClock(20) })

    expect(found).toMatchObject([
      { check: 'kafka', level: 'problem', fact: expect.stringMatching(fact), fix: expect.stringMatching(fix) },
    ])
    expect(JSON.stringify(found)).not.toMatch(/guess|wonder/)
  })

  test('it finds that the cluster sends its clients to an address that they cannot reach', async () => {
    const found = await complaints({ brokers: [awayAddress], clock: new FastClock(20) })

    expect(found[0]).toMatchObject({
      check: 'brokers',
      level: 'problem',
      fact: expect.stringMatching(
        /no connection to no-such-host\.invalid:9092: (its name is not known|the name server)/,
      ),
      fix: expect.stringMatching(/`advertised\.listeners`/),
    })
  })

  describe('rights', () => {
    afterEach(async () => {
      const any = { ...toAlice, permissionType: 1, operation: 1, resourcePatternType: 1 }
      await asAdmin((admin) => admin.deleteAcls({ filters: [{ ...any, resourceType: 1 }] }))
    })

    test.each<[string, Pick<AclEntry, 'resourceType' | 'resourceName' | 'operation'>, RegExp, RegExp]>([
      [
        'read a topic',
        { resourceType: kinds.topic, resourceName: inTopic, operation: operations.read },
        /does not let the user read topic "in"/,
        /Allow Describe and Read on topic "in"/,
      ],
      [
        'write a topic',
        { resourceType: kinds.topic, resourceName: 'app-dead-letter', operation: operations.write },
        /does not let the user write topic "app-dead-letter"/,
        /Allow Describe and Write on topic "app-dead-letter"/,
      ],
      [
        'create topics',
        { resourceType: kinds.topic, resourceName: 'app-seen-changelog', operation: operations.create },
        /does not let the user create topic "app-seen-changelog"/,
        /Allow Create on topic "app-seen-changelog", or create it/,
      ],
      [
        'join the group',
        { resourceType: kinds.group, resourceName: 'app', operation: operations.read },
        /does not let the user join group "app"/,
        /Allow Describe and Read on group "app"/,
      ],
      [
        'use its transactional ids',
        { resourceType: kinds.transactionalId, resourceName: '*', operation: operations.write },
        /does not let the user use transactional id "app-0_0"/,
        /begin with "app-", or use `at_least_once`/,
      ],
    ])('it finds that alice may not %s', async (_, acl, fact, fix) => {
      await asAdmin((admin) => admin.createTopics({ topics: [{ topic: 'app-dead-letter' }], waitForLeaders: false }))
      // Who may create anything in the cluster may create every topic.
      const cluster = { ...acl, resourceType: kinds.cluster, resourceName: 'kafka-cluster' }
      const all = acl.operation === operations.create ? [acl, cluster] : [acl]
      const rules = all.flatMap((one) => [
        { ...toAlice, ...one, operation: operations.all, permissionType: permissions.allow },
        { ...toAlice, ...one, permissionType: permissions.deny },
      ])
      await asAdmin((admin) => admin.createAcls({ acl: rules }))

      const found = await complaints(alice(), { processingGuarantee: 'exactly_once' })

      expect(found).toContainEqual(
        expect.objectContaining({
          check: 'rights',
          level: 'problem',
          code: 'BROKER_DENIED',
          fact: expect.stringMatching(fact),
          fix: expect.stringMatching(fix),
        }),
      )
    })
  })

  test('it warns where alice may not see what a broker has left of transactions', async () => {
    const topics = ['__consumer_offsets', '__transaction_state']
    const denials = topics.map((resourceName) => ({
      ...{ ...toAlice, resourceType: kinds.topic, resourceName },
      ...{ operation: operations.read, permissionType: permissions.deny },
    }))
    await asAdmin((admin) => admin.createAcls({ acl: denials }))

    const [atLeastOnce, exactlyOnce] = [
      await complaints(alice()),
      await complaints(alice(), { processingGuarantee: 'exactly_once' }),
    ]
    await asAdmin((admin) => admin.deleteAcls({ filters: denials }))

    const ofRights = (found: readonly Report[]) => found.filter(({ check }) => check === 'rights')
    expect(ofRights(atLeastOnce)).toEqual([])
    expect(ofRights(exactlyOnce)).toEqual(
      topics.map((topic) =>
        expect.objectContaining({
          level: 'warning',
          fact: expect.stringContaining(`read topic "${topic}": a transaction that a broker leaves open`),
          fix: `Allow Describe and Read on topic "${topic}".`,
        }),
      ),
    )
  })

  test('it finds what other programs do in the group', async () => {
    await using broker = kafkaBroker(as('admin', 'admin'))
    await broker.open()
    await TestMember.join(broker, { group: 'shared', topics: [inTopic], assignor: evenAssignor('range') })

    expect(await complaints(alice(), { application: 'shared' })).toMatchObject([
      { check: 'group', level: 'problem', fact: expect.stringMatching(/uses assignor "range".*127\.0\.0\.1/) },
    ])
  })

  test('it finds a changelog that is not compacted', async () => {
    const configEntries = [{ name: 'cleanup.policy', value: 'delete' }]
    const topics = [{ topic: 'kept-seen-changelog', numPartitions: 2, configEntries }]
    await asAdmin((admin) => admin.createTopics({ topics, waitForLeaders: false }))

    expect(await complaints(alice(), { application: 'kept' })).toMatchObject([
      { check: 'changelogs', level: 'problem', fix: expect.stringMatching(/cleanup\.policy=compact/) },
    ])
  })

  test('it finds that retention has gone past what was committed', async () => {
    await using broker = kafkaBroker(as('admin', 'admin'))
    await broker.open()
    const producer = await broker.producer()
    const record = { topic: inTopic, partition: 1, key: null, value: null, timestamp: Date.now(), headers: [] }
    await producer.send([record, record, record])
    const member = await TestMember.join(broker, { group: 'late', topics: [inTopic] })
    await expect.poll(() => member.owned.length).toBe(2)
    await member.member.commit([{ topic: inTopic, partition: 1, offset: 1 }])
    await member.member.leave()
    await broker.admin?.deleteRecords([{ topic: inTopic, partition: 1, offset: 2 }])

    expect(await complaints(alice(), { application: 'late' })).toMatchObject([
      {
        check: 'offsets',
        level: 'problem',
        code: 'OFFSET_OUT_OF_RANGE',
        fact: expect.stringMatching(/the committed offset 1 of in-1 is not in the log, which has 2 to 3/),
      },
    ])
  })
})
