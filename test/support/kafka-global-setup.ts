import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { TestProject } from 'vitest/node'
import { missingForKafka } from './kafka-distribution.ts'
import { KafkaServer } from './kafka-server.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Addresses of the Kafka that the tests share, `host:port,host:port`; null when there is none. */
    kafkaBrokers: string | null
    /** True when a test may start brokers of its own, to kill them. */
    kafkaServers: boolean
  }
}

type Teardown = () => Promise<void>

/** Kafka 4.1; only Confluent's images fit the container class, and only a tag from 8.0.0 on runs without ZooKeeper. */
const image = 'confluentinc/cp-kafka:8.1.0'

/**
 * Finds a Kafka for the integration tests: the one that KAFKA_BROKERS names, else one in Docker, else one on Java and Maven. Without any,
 * the tests are skipped; with MILLRACE_REQUIRE_KAFKA=1 that is an error.
 */
export default async function setup(project: TestProject): Promise<Teardown | undefined> {
  const missing = await missingForKafka()
  project.provide('kafkaServers', missing === undefined)
  if (process.env.KAFKA_BROKERS) {
    project.provide('kafkaBrokers', process.env.KAFKA_BROKERS)
    return undefined
  }
  const found = (await tryContainer()) ?? (missing === undefined ? await startServer() : undefined)
  project.provide('kafkaBrokers', found?.address ?? null)
  if (found) return found.teardown
  const fact = `No Kafka: KAFKA_BROKERS is not set, Docker gives none, and ${missing}.`
  if (process.env.MILLRACE_REQUIRE_KAFKA === '1') throw new Error(fact)
  console.warn(`\n!!! ${fact} THE INTEGRATION TESTS ARE SKIPPED.\n`)
  return undefined
}

interface Found {
  readonly address: string
  readonly teardown: Teardown
}

/** Undefined where Docker does not answer, or cannot get the image. */
async function tryContainer(): Promise<Found | undefined> {
  const answers = await promisify(execFile)('docker', ['info'], { timeout: 10_000 }).catch(() => undefined)
  return answers && (await startContainer().catch(() => undefined))
}

async function startContainer(): Promise<Found> {
  const { KafkaContainer } = await import('@testcontainers/kafka')
  const container = await new KafkaContainer(image)
    .withKraft()
    .withEnvironment({
      KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
      KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR: '1',
      KAFKA_TRANSACTION_STATE_LOG_MIN_ISR: '1',
      KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS: '0',
      KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS: '1000',
      KAFKA_LOG_CLEANER_BACKOFF_MS: '1000',
    })
    .start()
  return {
    address: `${container.getHost()}:${container.getMappedPort(9093)}`,
    teardown: async () => {
      await container.stop()
    },
  }
}

async function startServer(): Promise<Found> {
  const server = await KafkaServer.start()
  return { address: server.address, teardown: () => server[Symbol.asyncDispose]() }
}
